"""One request to a server, and what its answer means for what was sent."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

import requests

from app.errors import FailedError, RefusedError
from app.pacs.web.dicomweb import ANSWER_SECONDS, CONNECT_SECONDS, errors


def send(
    session: requests.Session,
    method: str,
    url: str,
    who: str,
    final: Collection[int],
    **content: Any,
) -> requests.Response:
    """Send a request; returns the answer of a server that took it.

    Args:
        session: with the credentials.
        method: `POST`, say.
        url: where.
        who: the server, as sentences begin with it.
        final: statuses that speak of what was sent; all others, of the server or of the way to it.
        content: arguments of `requests.Session.request`, such as `data` and `headers`.

    Raises:
        DeferredError: the server does not take it now.
        UnreachableError: there is no answer, or one that says to come again.
        RefusedError: the server never takes it.
    """
    try:
        with errors(who):
            answer = session.request(
                method,
                url,
                **content,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                # It would send all this, and the token, to whom nobody named.
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
