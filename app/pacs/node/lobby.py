"""Connections that have not asked for an association yet.

A connection says who it is with its first PDU, the A-ASSOCIATE-RQ. Until all of it has come, it
costs a socket here, and what of it has come: no thread, and none of the places that associations
have. The same goes for the handshake of TLS, where it is spoken. A check of the port that connects
and hangs up costs no more.
"""

import logging
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.pynetdicom_bounds import ASSOCIATE_RQ, HEADER, LONGEST_REQUEST, PDU_SECONDS
from app.pacs.node.seldom import Seldom
from app.pacs.node.tls_socket import TlsError, TlsSocket
from app.reading.clients import key_of

log = logging.getLogger("pneumoscope")

# The ARTIM timer of PS3.8, 9.1.5. Whoever connects sends the request at once.
REQUEST_SECONDS = 5.0
MOST_WAITING = 64
_BACKLOG = 128
# Where the process may open no more files, so that the loop does not spin.
_NO_MORE_FILES_SECONDS = 0.1
# PS3.8, 9.3.4: rejected for now, by the service provider, as the local limit is exceeded.
_REJECTED = bytes([3, 0, 0, 0, 0, 4, 0, 2, 3, 2])


@dataclass(eq=False)
class _Waiting:
    """A connection, whom it is from, since when it waits, and its request as far as it has come."""

    connection: socket.socket
    address: Any
    key: str
    since: float = field(default_factory=time.monotonic)
    request: bytes = b""
    expected: int = HEADER.size


class Lobby:
    """Accepts connections, and hands on those whose request for an association is there.

    One thread looks after all of them. Of too many, the peer that has the most gives up the one
    that has waited longest.
    """

    def __init__(
        self,
        listening: socket.socket,
        may_connect: Callable[[str], bool],
        begin: Callable[[socket.socket, Any, str, bytes], bool],
        metrics: NodeMetrics,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            listening: where connections come from.
            may_connect: whether an address is one of a peer.
            begin: begins an association on a connection, from an address, for a peer, by its
                request; False where there is no room for it.
            metrics: where connections are counted that get no association.
            tls: of the server, where peers are to speak TLS.
        """
        self._listening, self._metrics = listening, metrics
        self._may_connect, self._begin, self._tls = may_connect, begin, tls
        self._waiting: list[_Waiting] = []
        self._seldom = Seldom()
        metrics.waiting.set_function(lambda: len(self._waiting))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Accept connections while the block runs."""
        end, told = socket.socketpair()
        with selectors.DefaultSelector() as selector, end, told:
            self._listening.listen(_BACKLOG)
            self._listening.setblocking(False)
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(told, selectors.EVENT_READ)
            thread = threading.Thread(target=self._run, args=(selector, told), name="lobby")
            thread.start()
            try:
                yield
            finally:
                end.send(b".")
                thread.join()
                for waiting in self._waiting:
                    waiting.connection.close()

    def _run(self, selector: selectors.BaseSelector, told: socket.socket) -> None:
        while True:
            for key, _ in selector.select(self._seconds_left()):
                if key.fileobj is told:
                    return
                if key.fileobj is self._listening:
                    self._accept(selector)
                elif key.data in self._waiting:
                    self._look_at(selector, key.data)
                    # Of what is read already there is no further event.
                    while key.data in self._waiting and _has_more(key.data.connection):
                        self._look_at(selector, key.data)
            now = time.monotonic()
            for waiting in [w for w in self._waiting if now - w.since >= REQUEST_SECONDS]:
                self._close(selector, waiting, "silent")

    def _seconds_left(self) -> float | None:
        """Until the first of those who wait has waited too long; in order of their coming."""
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0].since + REQUEST_SECONDS - time.monotonic())

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, address = self._listening.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            self._seldom.warn(f"A connection could not be accepted: {error.strerror}.")
            time.sleep(_NO_MORE_FILES_SECONDS)
            return
        if not self._may_connect(address[0]):
            self._count("address")
            connection.close()
            return
        connection.setblocking(False)
        if self._tls:
            connection = TlsSocket(connection, self._tls)
        waiting = _Waiting(connection, address, key_of(address[0]))
        self._waiting.append(waiting)
        selector.register(connection, selectors.EVENT_READ, waiting)
        if len(self._waiting) > MOST_WAITING:
            of_peer = Counter(waiting.key for waiting in self._waiting)
            # Of equals the first one, and so the oldest.
            longest = max(self._waiting, key=lambda waiting: of_peer[waiting.key])
            self._close(selector, longest, "too_many")

    def _look_at(self, selector: selectors.BaseSelector, waiting: _Waiting) -> None:
        """Go on with a connection that has sent something, or that ended."""
        try:
            part = waiting.connection.recv(waiting.expected - len(waiting.request))
        except BlockingIOError:
            return
        except TlsError as error:
            self._close(selector, waiting, error.reason, error.detail)
            return
        except OSError:
            part = b""
        waiting.request += part
        if not part:
            self._close(selector, waiting, "hung_up")
        elif len(waiting.request) == HEADER.size:
            kind, length = HEADER.unpack(waiting.request)
            if kind != ASSOCIATE_RQ or not 0 < length <= LONGEST_REQUEST:
                self._close(selector, waiting, "no_request")
            else:
                waiting.expected += length
        elif len(waiting.request) == waiting.expected:
            self._forget(selector, waiting)
            self._hand_on(waiting)

    def _hand_on(self, waiting: _Waiting) -> None:
        connection = waiting.connection
        try:
            connection.settimeout(PDU_SECONDS)
            if self._begin(connection, waiting.address, waiting.key, waiting.request):
                return
            self._metrics.rejected.labels("too_many").inc()
            self._seldom.warn("An association was rejected: as many are open as may be.")
            connection.setblocking(False)
            connection.sendall(_REJECTED)
        # Whatever befalls one connection, the others are looked after.
        except Exception as error:
            log.error("An association could not begin: %s", type(error).__name__)
        connection.close()

    def _close(
        self, selector: selectors.BaseSelector, waiting: _Waiting, reason: str, detail: str = ""
    ) -> None:
        self._forget(selector, waiting)
        self._count(reason, detail)
        waiting.connection.close()

    def _forget(self, selector: selectors.BaseSelector, waiting: _Waiting) -> None:
        selector.unregister(waiting.connection)
        self._waiting.remove(waiting)

    def _count(self, reason: str, detail: str = "") -> None:
        # A check of the port does it every few seconds, and means no harm.
        if reason != "hung_up":
            self._seldom.warn(f"Closing connections: {reason}{detail and f' ({detail})'}.")
        self._metrics.closed.labels(reason).inc()


def _has_more(connection: socket.socket) -> bool:
    return isinstance(connection, TlsSocket) and connection.has_more
