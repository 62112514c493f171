"""What is sent to a RIS, and how its acknowledgements are told."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.dicom_results.source import read_source
from app.errors import DeferredError, RefusedError, UnreachableError
from app.hl7.report import oru
from app.pacs.mllp import MllpDestination
from benchmarks.ports import free_port
from tests.app.dicom_results import given
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.ris import Ris

MESSAGE = oru(read_source(given.source_file()), given.reading(), datetime.now(UTC))


@pytest.fixture
def ris() -> Iterator[Ris]:
    with Ris().listening() as listening:
        yield listening


def _store(ris: Ris) -> bool:
    return MllpDestination(LOCALHOST, ris.port).store([MESSAGE, MESSAGE])


def test_messages_arrive_as_they_are(ris: Ris) -> None:
    assert not _store(ris)
    assert [str(message).encode() for message in ris.messages] == [MESSAGE, MESSAGE]


@pytest.mark.parametrize(
    ("code", "error"), [("AR", RefusedError), ("CR", RefusedError), ("AE", DeferredError)]
)
def test_what_is_not_taken_is_told(ris: Ris, code: str, error: type[Exception]) -> None:
    ris.code = code
    with pytest.raises(error, match="The RIS"):
        _store(ris)


def test_an_acknowledgement_of_another_message_is_none(ris: Ris) -> None:
    ris.control_id = "another"
    with pytest.raises(UnreachableError, match="answered another message"):
        _store(ris)


def test_a_receiver_that_hangs_up_is_away(ris: Ris) -> None:
    ris.code = None
    with pytest.raises(UnreachableError):
        _store(ris)


def test_nobody_there_is_away() -> None:
    with pytest.raises(UnreachableError, match="did not answer"):
        MllpDestination(LOCALHOST, free_port()).store([MESSAGE])


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400\r\n\r\n\x1c\r", b"\x0bMSA|AA\r\x1c\r", b"x" * 200_000]
)
def test_what_is_no_acknowledgement_is_none(answer: bytes) -> None:
    with socket.create_server((LOCALHOST, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UnreachableError):
            MllpDestination(LOCALHOST, server.getsockname()[1]).store([MESSAGE])
        thread.join()
