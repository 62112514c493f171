"""A PACS over DICOMweb (PS3.18): the connection, how its errors are told, and STOW-RS."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from dicomweb_client import DICOMwebClient
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from pydicom import Dataset
from requests.auth import AuthBase, HTTPBasicAuth

from app.errors import DeniedError, FailedError, RefusedError, UnreachableError
from app.host.environment import EnvironmentSettings
from app.host.values import is_http_url
from app.pacs.destinations import DUPLICATE, failure, parsed

CONNECT_SECONDS, ANSWER_SECONDS = 10, 60
PACS = "The PACS"
_TYPE, JSON = "Content-Type", "application/dicom+json"

_COME_AGAIN = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
# They speak of what was sent; all others, of the server or of the way to it.
OF_WHAT_WAS_SENT = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_OF_THE_OBJECTS = (*OF_WHAT_WAS_SENT, HTTPStatus.CONFLICT)


class Credentials(EnvironmentSettings):
    """Who asks, from the environment: a token, or a user name and a password, or nobody."""

    model_config = SettingsConfigDict(env_prefix="PNEUMOSCOPE_DICOMWEB_", frozen=True)

    username: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")

    def auth(self) -> AuthBase | None:
        """What signs a request."""
        if token := self.token.get_secret_value():
            return Bearer(token)
        if self.username:
            # As text, they could hold no more than Latin-1.
            return HTTPBasicAuth(self.username.encode(), self.password.get_secret_value().encode())
        return None


class Bearer(AuthBase):
    """A token (RFC 6750, 2.1)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def check_url(url: str, whose: str) -> None:
    """Pass where a server can be asked there.

    Raises:
        ValueError: it is no URL, or holds credentials.
    """
    parts = urlsplit(url)
    if not is_http_url(parts):
        raise ValueError(f"The address of {whose} is an http or https URL.")
    if parts.username is not None:
        raise ValueError("Credentials come from the environment, not from the URL.")


def open_session(url: str) -> requests.Session:
    """A session with a DICOMweb service, with the environment's credentials.

    Raises:
        ValueError: it is no URL of a service.
    """
    check_url(url, "a DICOMweb service")
    session = requests.Session()
    session.auth = Credentials().auth()
    session.headers["Accept"] = JSON
    session.hooks["response"] = [_without_parameters]
    return session


def connect(url: str) -> DICOMwebClient:
    """A client of a DICOMweb service, with the environment's credentials.

    It never tries anything twice by itself: its callers know better when.

    Args:
        url: the service's base URL, under which `/studies` is.

    Raises:
        ValueError: it is no URL of a service.
    """
    session = open_session(url)
    timeout = (CONNECT_SECONDS, ANSWER_SECONDS)
    # Archives hold UIDs with leading zeros, which the standard forbids.
    client = DICOMwebClient(url.rstrip("/"), session, permissive_uid=True, timeout=timeout)
    client.set_http_retry_params(retry=False)
    return client


@contextmanager
def errors(who: str = PACS) -> Iterator[None]:
    """Tell what goes wrong between here and the PACS, or another server, without quoting a URL.

    Raises:
        DeniedError: the status is 401 or 403.
        UnreachableError: there is no answer, or one that says to come again.
        FailedError: any other status of an error.
    """
    try:
        yield
    except requests.HTTPError as error:
        raise _of(error.response, who) from error
    except requests.ConnectionError as error:
        raise UnreachableError(f"{who} did not answer.") from error
    except requests.Timeout as error:
        raise UnreachableError(f"{who} did not answer in time.") from error
    # Among others, of an answer that is no JSON.
    except requests.RequestException as error:
        raise UnreachableError(f"{who} gave no answer that can be read.") from error


class StowDestination:
    """A PACS that results are sent to by STOW-RS (PS3.18, 10.5)."""

    def __init__(self, url: str) -> None:
        """Prepare to send; nothing is sent yet.

        Raises:
            ValueError: it is no URL of a service.
        """
        self._client = connect(url)

    def store(self, files: Sequence[bytes]) -> bool:
        """Store files; returns once the PACS has said that it stored every one.

        Returns:
            Whether it said of one that it holds such an object already.

        Raises:
            DeferredError: it does not take one of them now.
            UnreachableError: there is no answer, or one that says to come again.
            RefusedError: the PACS never takes one of them.
        """
        datasets = [parsed(file) for file in files]
        try:
            with errors():
                answer = self._send(datasets)
        except FailedError as error:
            if error.status in _OF_THE_OBJECTS:
                raise RefusedError(str(error)) from error
            raise
        failed = [one.get("FailureReason") for one in answer.get("FailedSOPSequence") or []]
        for reason in failed:
            _check(reason)
        return bool(failed)

    def _send(self, datasets: Sequence[Dataset]) -> Dataset:
        """What became of each object (PS3.18, I.2), also where none was stored."""
        try:
            return self._client.store_instances(datasets)
        except requests.HTTPError as error:
            answer = error.response
            if answer is not None and answer.status_code == HTTPStatus.CONFLICT:
                return _told(answer)
            raise


def _told(answer: requests.Response) -> Dataset:
    """What an answer in JSON says of the objects.

    Raises:
        FailedError: nothing.
    """
    try:
        told = Dataset.from_json(answer.json())
    # pydicom answers what is no DICOM JSON with errors of many types.
    except Exception as error:
        raise FailedError(answer.status_code) from error
    if "FailedSOPSequence" not in told:
        raise FailedError(answer.status_code)
    return told


def _check(reason: int | None) -> None:
    """Pass where an object that failed is there all the same.

    Raises:
        DeferredError: it may be stored later.
        RefusedError: it never will be.
    """
    if reason in DUPLICATE:
        return
    if reason is None:
        raise RefusedError("The PACS stored not every object, and did not say why.")
    raise failure(reason, f"The PACS refused an object with failure reason {reason:04X}.")


def _of(answer: requests.Response | None, who: str) -> UnreachableError:
    status = None if answer is None else answer.status_code
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return DeniedError(f"{who} does not accept the credentials (status {status}).")
    if status is None or status in _COME_AGAIN:
        return UnreachableError(f"{who} is too busy, or away for now (status {status}).")
    return FailedError(status, who)


def _without_parameters(response: requests.Response, *args: Any, **kwargs: Any) -> None:
    """Take `; charset=utf-8` off, with which the client does not know JSON for JSON."""
    media_type, _, _ = response.headers.get(_TYPE, "").partition(";")
    if media_type.strip().lower() in (JSON, "application/json"):
        response.headers[_TYPE] = JSON
