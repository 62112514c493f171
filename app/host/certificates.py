"""Certificates and keys in files; what is wrong with one is told by the setting that names it."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from app.errors import CertificateError

_OF_ANOTHER_KEY = "KEY_VALUES_MISMATCH"


def server(
    certificate: Path | None, key: Path | None, client_ca: Path | None, prefix: str
) -> ssl.SSLContext | None:
    """A context for connections that others open; None where no certificate is set.

    Args:
        certificate: the file (PEM), with its chain.
        key: the file of its private key, if that one does not hold it.
        client_ca: the file of the authorities (PEM) of which clients must have a certificate.
        prefix: of the variables `..._CERTIFICATE`, `..._KEY` and `..._CLIENT_CA`.

    Raises:
        CertificateError: a file is not what it should be; the sentence names the setting.
    """
    if certificate is None:
        check_unset(f"{prefix}_CERTIFICATE", {"KEY": key, "CLIENT_CA": client_ca}, prefix)
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_own(context, certificate, key, prefix)
    if client_ca:
        load_authorities(context, client_ca, f"{prefix}_CLIENT_CA")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def check_unset(needed: str, settings: Mapping[str, Path | None], prefix: str) -> None:
    """Pass where nothing is set that is of no use alone.

    Args:
        needed: the variable without which it is of none.
        settings: what should not be set, by the ends of the variables' names.
        prefix: of these variables.

    Raises:
        CertificateError: one is set.
    """
    for name, path in settings.items():
        if path:
            raise CertificateError(f"{prefix}_{name} needs {needed}.")


def load_own(context: ssl.SSLContext, certificate: Path, key: Path | None, prefix: str) -> None:
    """Have a context show a certificate.

    Args:
        context: of this end of connections.
        certificate: the file (PEM), with its chain.
        key: the file of its private key, if that one does not hold it.
        prefix: of the variables `..._CERTIFICATE` and `..._KEY`.

    Raises:
        CertificateError: a file is not what it should be.
    """
    names = f"{prefix}_CERTIFICATE", f"{prefix}_KEY"
    _check_readable(names[0], certificate)
    if key:
        _check_readable(names[1], key)
    try:
        # Without a password, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == _OF_ANOTHER_KEY:
            raise CertificateError(f"{names[1]} is the key of another certificate.") from None
        raise CertificateError(
            f"{names[0]} and {names[1]} hold no certificate (PEM) and its private key without a "
            "password."
        ) from None


def load_authorities(context: ssl.SSLContext, authorities: Path, name: str) -> None:
    """Have a context trust the certificates of some authorities.

    Args:
        context: of this end of connections.
        authorities: the file of their certificates (PEM).
        name: of the variable.

    Raises:
        CertificateError: the file is not what it should be.
    """
    _check_readable(name, authorities)
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError:
        raise CertificateError(f"{name} holds no certificate (PEM).") from None


def _check_readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise CertificateError(f"{name} cannot be read: {error.strerror}.") from None
