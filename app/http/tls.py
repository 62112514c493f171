"""HTTPS, by uvicorn's own options, of which each is tried before the start."""

import ssl
from typing import Any

from app.host import certificates
from app.settings import Settings

_PREFIX = "PNEUMOSCOPE_TLS"


def options(settings: Settings) -> dict[str, Any]:
    """For `uvicorn.run`; none where no certificate is set.

    Raises:
        CertificateError: a file is not what it should be; the sentence names the setting.
    """
    certificate, key, client_ca = (
        settings.tls_certificate,
        settings.tls_key,
        settings.tls_client_ca,
    )
    if certificates.server(certificate, key, client_ca, _PREFIX) is None:
        return {}
    chosen: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_ciphers": None}
    if client_ca:
        chosen |= {"ssl_ca_certs": client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return chosen
