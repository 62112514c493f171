"""Notices sent to a worklist, signed as Standard Webhooks have it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Sequence

import requests
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from app.host.environment import EnvironmentSettings
from app.pacs.web import posting
from app.pacs.web.dicomweb import OF_WHAT_WAS_SENT, check_url

_WHO = "The webhook"
_PREFIX = "whsec_"
# The specification's bounds on a secret.
_FEWEST_BYTES, _MOST_BYTES = 24, 64


class Credentials(EnvironmentSettings):
    """What notices are signed with, from the environment."""

    model_config = SettingsConfigDict(env_prefix="PNEUMOSCOPE_WEBHOOK_", frozen=True)

    secret: SecretStr = SecretStr("")

    def key(self) -> bytes:
        """The bytes of the secret.

        Raises:
            ValueError: there is none, or none of the form that the specification gives.
        """
        prefix, _, encoded = self.secret.get_secret_value().rpartition(_PREFIX)
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if prefix or not _FEWEST_BYTES <= len(key) <= _MOST_BYTES:
            raise ValueError(
                f"PNEUMOSCOPE_WEBHOOK_SECRET is {_PREFIX} and {_FEWEST_BYTES} to {_MOST_BYTES} "
                "bytes in base64."
            )
        return key


class WebhookDestination:
    """A worklist that is told which readings are urgent."""

    def __init__(self, url: str) -> None:
        """Prepare to send; nothing is sent yet.

        Raises:
            ValueError: it is no URL, or the environment has no secret to sign with.
        """
        check_url(url, "a webhook")
        self._url, self._key = url, Credentials().key()
        self._session = requests.Session()

    def store(self, files: Sequence[bytes]) -> bool:
        """Send notices; returns once the receiver has said that it has every one.

        Args:
            files: a notice each, in JSON.

        Returns:
            False, since the receiver does not say what it held.

        Raises:
            DeferredError: it does not take one of them now.
            UnreachableError: there is no answer, or one that says to come again.
            RefusedError: it never takes one of them.
        """
        for file in files:
            posting.send(
                self._session,
                "POST",
                self._url,
                _WHO,
                OF_WHAT_WAS_SENT,
                data=file,
                headers=self._headers(file),
            )
        return False

    def _headers(self, notice: bytes) -> dict[str, str]:
        name, moment = json.loads(notice)["id"], str(int(time.time()))
        signed = b".".join((name.encode(), moment.encode(), notice))
        signature = hmac.digest(self._key, signed, hashlib.sha256)
        return {
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        }
