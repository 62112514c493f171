"""Results sent to a FHIR R4 server, as a transaction (FHIR R4, 3.1.0.11)."""

from collections.abc import Sequence
from http import HTTPStatus

import requests
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from app.errors import FailedError, UnreachableError
from app.host.environment import EnvironmentSettings
from app.pacs.web import posting
from app.pacs.web.dicomweb import OF_WHAT_WAS_SENT, Bearer, check_url, errors

_WHO = "The FHIR server"
_TYPE = "application/fhir+json"
_HEADERS = {"Content-Type": _TYPE, "Accept": _TYPE, "Prefer": "return=minimal"}
_OF_THE_RESOURCES = (*OF_WHAT_WAS_SENT, HTTPStatus.PRECONDITION_FAILED)


class Credentials(EnvironmentSettings):
    """Who sends, from the environment: a token, or nobody."""

    model_config = SettingsConfigDict(env_prefix="PNEUMOSCOPE_FHIR_", frozen=True)

    token: SecretStr = SecretStr("")


class FhirDestination:
    """A FHIR server that stores readings."""

    def __init__(self, url: str) -> None:
        """Prepare to send; nothing is sent yet.

        Args:
            url: the server's base URL.

        Raises:
            ValueError: it is none.
        """
        check_url(url, "a FHIR server")
        self._url = url
        self._session = requests.Session()
        if token := Credentials().token.get_secret_value():
            self._session.auth = Bearer(token)

    def store(self, files: Sequence[bytes]) -> bool:
        """Send transactions; returns once the server has said that it processed every one.

        Each entry of a transaction is a PUT to an id of its own, so that sending it again changes
        nothing.

        Args:
            files: a Bundle each, in JSON.

        Returns:
            False, since the server does not say what it held.

        Raises:
            DeferredError: it does not take one of them now.
            UnreachableError: there is no answer, or one that says to come again.
            RefusedError: it never takes one of them.
        """
        for file in files:
            answer = posting.send(
                self._session,
                "POST",
                self._url,
                _WHO,
                _OF_THE_RESOURCES,
                data=file,
                headers=_HEADERS,
            )
            if answer.status_code != HTTPStatus.OK:
                raise FailedError(answer.status_code, _WHO)
            with errors(_WHO):
                told = answer.json()
            # A page to sign in on has the status 200, too.
            if not isinstance(told, dict) or told.get("type") != "transaction-response":
                raise UnreachableError(f"{_WHO} gave no answer that can be read.")
        return False
