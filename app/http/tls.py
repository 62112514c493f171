"""HTTPS, by uvicorn's own options, of which each is tried before the start."""

import ssl
from pathlib import Path
from typing import Any

from app.errors import ServeError
from app.settings import Settings

_OF_ANOTHER_KEY = "KEY_VALUES_MISMATCH"


def options(settings: Settings) -> dict[str, Any]:
    """For `uvicorn.run`; none where no certificate is set.

    Raises:
        ServeError: a file is not what it should be; the sentence names the setting.
    """
    certificate, key, client_ca = (
        settings.tls_certificate,
        settings.tls_key,
        settings.tls_client_ca,
    )
    if certificate is None:
        for name, path in (("KEY", key), ("CLIENT_CA", client_ca)):
            if path:
                raise ServeError(f"PNEUMOSCOPE_TLS_{name} needs PNEUMOSCOPE_TLS_CERTIFICATE.")
        return {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _check_readable("CERTIFICATE", certificate)
    if key:
        _check_readable("KEY", key)
    try:
        # Without a password, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ServeError(_what_is_wrong(error)) from None
    chosen: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_ciphers": None}
    if client_ca:
        _check_readable("CLIENT_CA", client_ca)
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError:
            raise ServeError("PNEUMOSCOPE_TLS_CLIENT_CA holds no certificate (PEM).") from None
        chosen |= {"ssl_ca_certs": client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return chosen


def _check_readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ServeError(f"PNEUMOSCOPE_TLS_{name} cannot be read: {error.strerror}.") from None


def _what_is_wrong(error: ssl.SSLError | ValueError) -> str:
    if getattr(error, "reason", None) == _OF_ANOTHER_KEY:
        return "PNEUMOSCOPE_TLS_KEY is the key of another certificate."
    return (
        "PNEUMOSCOPE_TLS_CERTIFICATE and _TLS_KEY hold no certificate (PEM) and its private key "
        "without a password."
    )
