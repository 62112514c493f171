"""One request that gives a result to a server by POST, and what its answer means for the result."""

from collections.abc import Collection, Mapping
from http import HTTPStatus

import requests

from app.errors import FailedError, RefusedError
from app.pacs.web.dicomweb import ANSWER_SECONDS, CONNECT_SECONDS, errors


def post(
    session: requests.Session,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    who: str,
    final: Collection[int],
) -> requests.Response:
    """Send a result; returns the answer of a server that took it.

    Args:
        session: with the credentials.
        url: where.
        body: the result.
        headers: of the request.
        who: the server, as sentences begin with it.
        final: statuses that speak of what was sent; all others, of the server or of the way to it.

    Raises:
        DeferredError: the server does not take it now.
        UnreachableError: there is no answer, or one that says to come again.
        RefusedError: the server never takes it.
    """
    try:
        with errors(who):
            answer = session.post(
                url,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                # It would send the result, and the token, to whom nobody named.
                allow_redirects=False,
            )
            answer.raise_for_status()
        # Of a redirect nothing was raised.
        if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise FailedError(answer.status_code, who)
    except FailedError as error:
        if error.status in final:
            raise RefusedError(str(error)) from error
        raise
    return answer
