"""Readings sent to a RIS as HL7 version 2, by the Minimal Lower Layer Protocol (HL7 2.5.1, C)."""

import socket
import time
from collections.abc import Sequence

from app.errors import DeferredError, RefusedError, UnreachableError

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 30
_LEAST_SECONDS = 0.001
_START, _END = b"\x0b", b"\x1c\r"
_LONGEST_ANSWER = 2**16
_CONTROL_ID = 9
# Table 0008: in the original mode, and in the enhanced one.
_TAKEN, _REJECTED = (b"AA", b"CA"), (b"AR", b"CR")


class MllpDestination:
    """A receiver of HL7 messages, which acknowledges each."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port

    def store(self, files: Sequence[bytes]) -> bool:
        """Send messages; returns once the receiver has acknowledged every one.

        Args:
            files: a message each.

        Returns:
            False, since the receiver does not say what it held.

        Raises:
            DeferredError: it had an error over one of them, which may pass.
            UnreachableError: there is no answer, or none that can be read.
            RefusedError: it rejects one of them.
        """
        for file in files:
            self._send(file)
        return False

    def _send(self, message: bytes) -> None:
        try:
            with socket.create_connection(self._address, _CONNECT_SECONDS) as connection:
                connection.sendall(_START + message + _END)
                answer = _received(connection)
        except OSError as error:
            raise UnreachableError("The RIS did not answer.") from error
        code, control_id = _acknowledgement(answer)
        if control_id != message.split(b"|")[_CONTROL_ID]:
            raise UnreachableError("The RIS answered another message.")
        if code in _REJECTED:
            raise RefusedError(f"The RIS rejected the message: {code.decode()}.")
        if code not in _TAKEN:
            raise DeferredError("The RIS had an error over the message.")


def _received(connection: socket.socket) -> bytes:
    received, deadline = b"", time.monotonic() + _ANSWER_SECONDS
    while _END not in received:
        # A timeout of 0 would mean not to wait at all.
        connection.settimeout(max(deadline - time.monotonic(), _LEAST_SECONDS))
        more = connection.recv(4096)
        if not more or len(received) > _LONGEST_ANSWER:
            raise UnreachableError("The RIS gave no answer that can be read.")
        received += more
    return received


def _acknowledgement(answer: bytes) -> tuple[bytes, bytes]:
    """Its code, and the control ID of the message that it is about: MSA-1 and MSA-2.

    Raises:
        UnreachableError: the answer has none.
    """
    for segment in answer.strip(_START + _END).split(b"\r"):
        fields = segment.split(b"|")
        if fields[0] == b"MSA" and len(fields) > 2:
            return fields[1], fields[2]
    raise UnreachableError("The RIS gave no answer that can be read.")
