"""DICOM over TLS as PS3.15 profiles it after BCP 195 (RFC 8996, RFC 9325): both of its ends."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.errors import CertificateError
from app.host import certificates
from app.pacs.node.settings import NodeSettings, StorageAddress

# RFC 9325, 4.2: what agrees on a new key for each connection, and authenticates what it encrypts.
# These are the names for TLS 1.2; all that OpenSSL has for 1.3 is such.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_ACCEPTING, _SENDING = "PNEUMOSCOPE_NODE_TLS", "PNEUMOSCOPE_NODE_DESTINATION_TLS"
# What pynetdicom would wait for without end. It takes TLS's own messages for the PACS's.
_ANSWER_SECONDS = 60

C = TypeVar("C", bound=ssl.SSLContext)


class RequestingContext(ssl.SSLContext):
    """For associations that are requested here. It keeps what pynetdicom does not tell.

    Attributes:
        failure: of TLS on the latest connection, or None.
    """

    failure: OSError | None = None

    def said(self) -> str:
        """The failure in words of OpenSSL's or the system's, which quote nothing of the peer."""
        match self.failure:
            case ssl.SSLCertVerificationError(verify_message=message):
                return f"its certificate is not trusted: {message.rstrip('.')}"
            case ssl.SSLError(reason=str(reason)):
                return reason.replace("_", " ").lower()
            case TimeoutError():
                return "no answer"
            case failure:
                return failure.strerror if failure and failure.strerror else "it broke"


class _RequestingSocket(ssl.SSLSocket):
    def settimeout(self, value: float | None) -> None:
        super().settimeout(_ANSWER_SECONDS if value is None else value)

    def do_handshake(self, block: bool = False) -> None:
        with self._noting(OSError):
            super().do_handshake(block)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        # With TLS 1.3 a client learns here that its certificate is refused.
        with self._noting(ssl.SSLError):
            return super().recv(buflen, flags)

    @contextmanager
    def _noting(self, kind: type[OSError]) -> Iterator[None]:
        try:
            yield
        except kind as error:
            if isinstance(self.context, RequestingContext):
                self.context.failure = error
            raise


def accepting(settings: NodeSettings) -> ssl.SSLContext | None:
    """For associations that others request; None where no certificate is set.

    Raises:
        CertificateError: a file is not what it should be; the sentence names the setting.
    """
    context = certificates.server(
        settings.tls_certificate, settings.tls_key, settings.tls_client_ca, _ACCEPTING
    )
    return context and _safe(context)


def requesting(settings: NodeSettings) -> RequestingContext | None:
    """For associations with the destination; None where no authorities are set for it.

    Its certificate must be for the host that the settings name.

    Raises:
        CertificateError: as `accepting` does; or the destination is no Storage SCP.
    """
    ca, certificate, key = (
        settings.destination_tls_ca,
        settings.destination_tls_certificate,
        settings.destination_tls_key,
    )
    if ca is None:
        certificates.check_unset(
            f"{_SENDING}_CA", {"CERTIFICATE": certificate, "KEY": key}, _SENDING
        )
        return None
    if not isinstance(settings.destination, StorageAddress):
        raise CertificateError(f"{_SENDING}_CA is for a destination AE@host:port.")
    context = _safe(RequestingContext(ssl.PROTOCOL_TLS_CLIENT))
    context.sslsocket_class = _RequestingSocket
    certificates.load_authorities(context, ca, f"{_SENDING}_CA")
    if certificate:
        certificates.load_own(context, certificate, key, _SENDING)
    else:
        certificates.check_unset(f"{_SENDING}_CERTIFICATE", {"KEY": key}, _SENDING)
    return context


def _safe(context: C) -> C:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context
