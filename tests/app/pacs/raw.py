"""A peer that speaks DICOM's upper layer (PS3.8) by hand, right or wrong."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pydicom import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from tests.app.pacs.network import LOCALHOST

OTHER_HOST = "127.0.0.2"
CONTEXT = 1
COMMAND, DATA, LAST = 1, 0, 2
ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, ABORT = 2, 3, 4, 7
_PATIENCE = 60


@contextmanager
def connection(port: int, host: str = LOCALHOST) -> Iterator[socket.socket]:
    """A connection to the node, from an address of this machine."""
    with socket.create_connection(
        (LOCALHOST, port), timeout=_PATIENCE, source_address=(host, 0)
    ) as opened:
        yield opened


@contextmanager
def association(port: int, host: str = LOCALHOST) -> Iterator[socket.socket]:
    """An association for Digital X-Ray images."""
    with connection(port, host) as opened:
        opened.sendall(request())
        assert received(opened)[0] == ASSOCIATE_AC
        yield opened


def request(times: int = 1) -> bytes:
    """An A-ASSOCIATE-RQ, which proposes its transfer syntax so many times."""
    syntaxes = _item(0x30, DigitalXRayImageStorageForPresentation.encode())
    syntaxes += _item(0x40, ExplicitVRLittleEndian.encode()) * times
    user = _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3")
    body = struct.pack(">Hxx16s16s32x", 1, b"PNEUMOSCOPE".ljust(16), b"SENDER".ljust(16))
    body += _item(0x10, b"1.2.840.10008.3.1.1.1")
    body += _item(0x20, struct.pack("Bxxx", CONTEXT) + syntaxes) + _item(0x50, user)
    return pdu(1, body)


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def fragment(control: int, data: bytes = b"") -> bytes:
    """A presentation data value item."""
    return struct.pack(">LBB", len(data) + 2, CONTEXT, control) + data


def store_command(uid: str = "1.2.3") -> bytes:
    """The command set of a C-STORE request."""
    command = Dataset()
    command.AffectedSOPClassUID = DigitalXRayImageStorageForPresentation
    command.CommandField = 0x0001
    command.MessageID = 1
    command.Priority = 0
    command.CommandDataSetType = 0
    command.AffectedSOPInstanceUID = uid
    encoded = encode(command, True, True)
    assert encoded
    return encoded


def received(opened: socket.socket) -> tuple[int, bytes]:
    """The type and the body of the next PDU; 0 and nothing where the connection ended."""
    with suppress(ConnectionResetError):
        header = _exactly(opened, 6)
        if len(header) == 6:
            kind, length = struct.unpack(">BxL", header)
            return kind, _exactly(opened, length)
    return 0, b""


def is_ended(opened: socket.socket) -> bool:
    """Wait until the node ends an association, with or without an A-ABORT."""
    return received(opened)[0] in (0, ABORT)


def _exactly(opened: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := opened.recv(size - len(found))):
        found += part
    return found


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body
