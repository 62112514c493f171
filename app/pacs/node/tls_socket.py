"""A connection on which the peer speaks TLS, read in bounded pieces.

`ssl.SSLSocket` does not return from a call while its peer goes on sending what is no data, such as
TLS 1.3's KeyUpdate, of which there may be any number. The one thread that looks after all who wait
must not be kept by one of them, and an association has its time. So a call reads here once.
"""

import socket
import ssl
from contextlib import suppress

# As long as a record of TLS.
_PIECE = 2**14
# RFC 8446, 5.1: the type of the first record.
_HANDSHAKE = 22
_NO_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"


class TlsError(OSError):
    """TLS failed.

    Attributes:
        reason: `without_tls`, `certificate` (none, or none that is trusted) or `handshake`.
        detail: the same in OpenSSL's words, which quote nothing of the peer.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class TlsSocket(socket.socket):
    """A connection that was accepted, as a server speaks TLS on it.

    There is no handshake to be asked for: the first that is read begins it.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        """
        Args:
            connection: what was accepted; this takes its place.
            context: of the server.
        """
        timeout = connection.gettimeout()
        super().__init__(fileno=connection.detach())
        self.settimeout(timeout)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._has_begun = False

    @property
    def has_more(self) -> bool:
        """Whether some of what was read of the connection is not returned yet."""
        return bool(self._tls.pending() or self._in.pending)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Data of one record at most, for which the connection is read once at most.

        Returns:
            The data; none where the peer has ended the connection.

        Raises:
            BlockingIOError: there is none yet, also where the socket blocks.
            TlsError: what was read is not TLS as it should be.
            OSError: the connection broke.
        """
        data = self._decrypted(bufsize)
        if data is None:
            received = super().recv(_PIECE, flags)
            if not received:
                return b""
            if not self._has_begun and received[0] != _HANDSHAKE:
                raise TlsError("without_tls", "")
            self._has_begun = True
            self._in.write(received)
            data = self._decrypted(bufsize)
        if data is None:
            raise BlockingIOError
        return data

    def send(self, data: bytes, flags: int = 0, /) -> int:  # type: ignore[override]
        """Send all of some data.

        Raises:
            OSError: the connection broke, or the peer does not read.
        """
        self._tls.write(data)
        self._flush()
        return len(data)

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """As `send`."""
        self.send(data, flags)

    def _decrypted(self, size: int) -> bytes | None:
        try:
            data: bytes | None = self._tls.read(size)
        except ssl.SSLWantReadError:
            data = None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLError as error:
            # So that the peer is told.
            with suppress(OSError):
                self._flush()
            raise _failure(error) from error
        self._flush()
        return data

    def _flush(self) -> None:
        data = self._out.read()
        if not data:
            return
        try:
            super().sendall(data)
        except (BlockingIOError, TimeoutError) as error:
            # A part of a record may be gone, so nothing could follow.
            raise ConnectionAbortedError("the peer does not read") from error


def _failure(error: ssl.SSLError) -> TlsError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsError("certificate", error.verify_message)
    detail = (error.reason or "").replace("_", " ").lower()
    return TlsError("certificate" if error.reason == _NO_CERTIFICATE else "handshake", detail)
