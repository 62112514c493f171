"""What pynetdicom leaves without a bound, bounded: the one module that knows its insides.

pynetdicom reads as many bytes as a peer declares, waits for each of them as long as for the first,
and keeps the fragments of a command set or of a data set until one says that it is the last. It has
no setting for any of these. So each association gets a socket that looks at the PDUs (PS3.8, 9.3)
as they are read. What it relies on beside the documented interface:

- an association is made by `RequestHandler._create_association`, with `dul.socket` set and one
  event in `dul.event_queue`;
- that socket is asked whether it is `ready`, then its `recv` for a PDU's header and for its body;
- `dimse.message` is the message whose fragments have come so far, or None, and holds its data set
  as a file, `data_set`; `dimse.msg_queue` has the messages that wait for an answer.

`check` says so where the installed version is another one. pyproject.toml has the versions that
this was written for.
"""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from io import BytesIO
from typing import Any, cast

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.transport import AssociationServer, AssociationSocket, RequestHandler

from app.errors import NodeError
from app.pacs.node.tls_socket import TlsSocket

# Type and length of a PDU.
HEADER = struct.Struct(">BxL")
ASSOCIATE_RQ, _P_DATA, _LAST_TYPE = 1, 4, 7
# All storage classes and transfer syntaxes that there are make half of it.
LONGEST_REQUEST = 2**17
# Eight times what was negotiated or more, since some senders do not care.
_LONGEST_DATA = 2**20
# Real ones have a few hundred bytes, in one fragment; an answer may have two comments.
_MOST_COMMAND_BYTES, _MOST_COMMAND_FRAGMENTS = 4096, 16
_MOST_FRAGMENTS = 64
# Of a fragment's message control header (PS3.8, annex E.2).
_COMMAND, _LAST = 1, 2
PDU_SECONDS = 60.0
MESSAGE_SECONDS = 300.0
# PS3.8, 9.3.8: by the service provider, for no reason that the standard knows.
_ABORT = struct.pack(">BxLxxBB", 7, 4, 2, 0)


class _OversteppedError(OSError):
    """A peer went beyond a bound; pynetdicom takes it for a connection that broke."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BoundedSocket(AssociationSocket):
    """The socket of one association, which ends it where the peer oversteps a bound.

    Attributes:
        heard: when the last PDU was complete, in monotonic seconds.
    """

    def __init__(
        self,
        association: Association,
        connection: socket.socket,
        max_bytes: int,
        aborted: Callable[[str], None],
    ) -> None:
        """
        Args:
            association: whose it is.
            connection: what it reads.
            max_bytes: as large as a data set may be.
            aborted: told the reason where the association is ended.
        """
        super().__init__(association, client_socket=connection)
        self._max_bytes, self._aborted = max_bytes, aborted
        self.heard = self._message_since = time.monotonic()
        self._unread = b""
        self._deadline = 0.0
        self._kind: int | None = None
        self._command_bytes = self._command_fragments = 0

    def put_back(self, request: bytes) -> None:
        """Have it read what was read before of the connection."""
        self._unread = request

    @property
    def ready(self) -> bool:
        """Whether there is something to be read."""
        if self._unread or (isinstance(self.socket, TlsSocket) and self.socket.has_more):
            return True
        return super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """Read a PDU's header, or its body, whichever is next.

        Raises:
            OSError: the connection broke, or the peer overstepped a bound.
        """
        try:
            return self._header(nr_bytes) if self._kind is None else self._body(nr_bytes)
        except _OversteppedError as overstepped:
            self._aborted(overstepped.reason)
            with suppress(OSError):
                cast("socket.socket", self.socket).send(_ABORT)
            raise

    def _header(self, size: int) -> bytearray:
        self._deadline = time.monotonic() + PDU_SECONDS
        header = self._read(size)
        if len(header) == HEADER.size:
            kind, length = HEADER.unpack(header)
            if length > (_LONGEST_DATA if kind == _P_DATA else LONGEST_REQUEST):
                raise _OversteppedError("long_pdu")
            self._kind = kind if 0 < kind <= _LAST_TYPE else None
        return header

    def _body(self, size: int) -> bytearray:
        kind, self._kind = self._kind, None
        body = self._read(size)
        self.heard = time.monotonic()
        if kind == _P_DATA and len(body) == size:
            self._check(body)
        return body

    def _read(self, size: int) -> bytearray:
        """So many bytes, or fewer where the connection ends before."""
        connection, found = cast("socket.socket", self.socket), bytearray(self._unread[:size])
        self._unread = self._unread[size:]
        while len(found) < size:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise _OversteppedError("slow")
            connection.settimeout(left)
            try:
                part = connection.recv(size - len(found))
            except (BlockingIOError, TimeoutError):
                continue
            if not part:
                break
            found += part
        connection.settimeout(PDU_SECONDS)
        return found

    def _check(self, body: bytearray) -> None:
        """Look at the fragments of messages in a P-DATA-TF PDU, before any of them is kept.

        Requests wait for answers, since no asynchronous operations were negotiated (PS3.7,
        D.3.3.3): whoever sends several ahead is cut off.
        """
        dimse = self.assoc.dimse
        message = dimse.message
        if dimse.msg_queue.qsize() > 1:
            raise _OversteppedError("ahead")
        if message is None:
            self._message_since = self.heard
            self._command_bytes = self._command_fragments = 0
        elif self.heard - self._message_since > MESSAGE_SECONDS:
            raise _OversteppedError("slow")
        for size, control in _fragments(body):
            if not size and not control & _LAST:
                raise _OversteppedError("fragments")
            if control & _COMMAND:
                self._command_bytes += size
                self._command_fragments += 1
        if (
            self._command_bytes > _MOST_COMMAND_BYTES
            or self._command_fragments > _MOST_COMMAND_FRAGMENTS
        ):
            raise _OversteppedError("command_set")
        if message and message.data_set and message.data_set.tell() > self._max_bytes:
            # Enough to tell that it is too large. The next fragments are written over the rest, so
            # that the association goes on, and its other images with it.
            message.data_set.seek(self._max_bytes)


def _fragments(body: bytearray) -> Iterator[tuple[int, int]]:
    """Of each presentation data value: its bytes without the control header, and that header."""
    offset = count = 0
    while offset < len(body):
        count += 1
        if count > _MOST_FRAGMENTS or len(body) - offset < 6:
            raise _OversteppedError("fragments")
        (length,) = struct.unpack_from(">L", body, offset)
        if not 2 <= length <= len(body) - offset - 4:
            raise _OversteppedError("fragments")
        yield length - 2, body[offset + 5]
        offset += 4 + length


class BoundedHandler(RequestHandler):
    """Makes the association of one connection, and starts it.

    Attributes:
        association: what it made.
        bounded: its socket.
    """

    association: Association
    bounded: BoundedSocket

    def __init__(
        self,
        connection: socket.socket,
        address: Any,
        server: AssociationServer,
        bound: Callable[[Association, socket.socket], BoundedSocket],
    ) -> None:
        self._bound = bound
        super().__init__(connection, address, server)

    def _create_association(self) -> Association:
        association = super()._create_association()
        # Each socket tells the state machine of the connection, and this is the second one.
        association.dul.event_queue.get_nowait()
        connection = cast("socket.socket", self.request)
        association.dul.socket = self.bounded = self._bound(association, connection)
        self.association = association
        return association


def check() -> None:
    """Make sure that pynetdicom is as this module knows it.

    Raises:
        NodeError: it is not.
    """
    try:
        association, message = Association(AE(), "acceptor"), DIMSEMessage()
        relied_on: tuple[Any, ...] = (
            association.dul.event_queue.get_nowait,
            association.dul.socket is None,
            association.dimse.msg_queue.qsize,
            association.dimse.message is None,
            cast("BytesIO", message.data_set).seek,
            RequestHandler._create_association,
            AssociationSocket.recv,
            AssociationSocket.ready,
        )
    except (AttributeError, TypeError):
        relied_on = (False,)
    if not all(relied_on):
        raise NodeError(
            f"pynetdicom {version('pynetdicom')} is not as this program knows it, and associations"
            " would have no bound: install the version that constraints.txt names."
        )
