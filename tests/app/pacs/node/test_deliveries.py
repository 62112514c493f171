"""What a PACS takes, and what it does not, in which order."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.errors import DeferredError, RefusedError, UnreachableError
from app.pacs import backoff
from app.pacs.node import deliveries
from app.pacs.node.deliveries import Deliveries
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.spool import Spool
from tests.app.pacs.node.scp import ROOM

GOOD, BAD = b"good", b"bad"


class Destination:
    """Does as it is told with each file; what it stored, and what it was given, in order."""

    def __init__(self, answer: Callable[[bytes], bool]) -> None:
        self._answer = answer
        self.given: list[bytes] = []
        self.stored: list[bytes] = []

    def store(self, files: Sequence[bytes]) -> bool:
        (file,) = files
        self.given.append(file)
        held = self._answer(file)
        self.stored.append(file)
        return held


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", ROOM)


def _queue(spool: Spool, *contents: bytes) -> None:
    for number, content in enumerate(contents):
        name = spool.put([b"image", content, str(number).encode()])
        spool.answer(name, {"report.dcm": content})


def _deliver(
    spool: Spool, given: Destination | dict[str, Destination], until: Callable[[], bool]
) -> None:
    destinations = given if isinstance(given, dict) else {".dcm": given}

    async def run() -> None:
        stop = asyncio.Event()
        metrics = NodeMetrics(CollectorRegistry(), spool)
        running = asyncio.create_task(Deliveries(destinations, spool, metrics).run(stop))
        async with asyncio.timeout(30):
            while not until():
                await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(run())


def _raising(error: Exception) -> Callable[[bytes], bool]:
    def answer(file: bytes) -> bool:
        if file == BAD:
            raise error
        return False

    return answer


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_BETWEEN_FAILURES_SECONDS", 0.01)
    monkeypatch.setattr(deliveries, "POLL_SECONDS", 0.01)


@pytest.mark.parametrize(
    "error",
    [DeferredError("busy"), UnreachableError("The PACS did not answer."), ValueError("x")],
)
def test_what_the_pacs_does_not_take_holds_up_nothing(spool: Spool, error: Exception) -> None:
    destination = Destination(_raising(error))
    _queue(spool, BAD, GOOD)
    _deliver(spool, destination, lambda: destination.stored == [GOOD])
    # What comes while it waits goes before it.
    _queue(spool, GOOD, GOOD)
    _deliver(spool, destination, lambda: destination.stored == [GOOD] * 3)
    assert spool.depth("results") == 1


def test_an_object_is_tried_less_and_less_often(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.05)
    destination = Destination(_raising(DeferredError("busy")))
    _queue(spool, BAD)
    _deliver(spool, destination, lambda: len(destination.given) == 5)


def test_a_pacs_that_is_away_gets_all_once_it_is_there(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.05)
    away = [True]

    def answer(file: bytes) -> bool:
        if away[0]:
            raise UnreachableError("The PACS did not answer.")
        return False

    destination = Destination(answer)
    _queue(spool, *[GOOD] * 3)

    def come_back() -> bool:
        away[0] = len(destination.given) < 5
        return len(destination.stored) == 3

    _deliver(spool, destination, come_back)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RefusedError("Never."), "Never.\n"),
        (ValueError("Jane"), "Sending failed with ValueError.\n"),
    ],
)
def test_what_never_goes_goes_aside(
    spool: Spool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.01)
    destination = Destination(_raising(error))
    _queue(spool, BAD, GOOD)
    _deliver(spool, destination, lambda: spool.depth("aside") == 1 and bool(destination.stored))
    (told,) = (tmp_path / "spool" / "aside").glob("*.txt")
    assert told.read_text() == reason
    assert destination.stored == [GOOD]


@pytest.mark.parametrize("error", [MemoryError(), OSError(), ImportError(), UnreachableError()])
def test_what_is_not_the_results_fault_keeps_them(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.001)
    destination = Destination(_raising(error))
    _queue(spool, BAD)
    _deliver(spool, destination, lambda: len(destination.given) > deliveries._MOST_ERRORS + 1)
    assert spool.depth("results") == 1


def test_a_fhir_server_that_is_away_holds_up_no_pacs(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.05)
    pacs = Destination(lambda file: False)
    away = [True]

    def answer(file: bytes) -> bool:
        if away[0]:
            raise UnreachableError("The FHIR server did not answer.")
        return False

    fhir = Destination(answer)
    for number in range(3):
        name = spool.put([str(number).encode()])
        spool.answer(name, {"fhir.json": b"bundle", "report.dcm": GOOD})
    both = {".dcm": pacs, ".json": fhir}
    _deliver(spool, both, lambda: len(pacs.stored) == 3 and len(fhir.given) > 3)
    assert (fhir.stored, spool.depth("results")) == ([], 3)

    away[0] = False
    _deliver(spool, both, lambda: spool.depth("results") == 0)
    assert (len(fhir.stored), len(pacs.stored)) == (3, 3)


def test_what_has_no_destination_goes_aside(spool: Spool, tmp_path: Path) -> None:
    pacs = Destination(lambda file: False)
    name = spool.put([b"image"])
    spool.answer(name, {"fhir.json": b"bundle", "report.dcm": GOOD})
    _deliver(spool, pacs, lambda: spool.depth("aside") == 1)
    assert pacs.stored == [GOOD]
    assert (tmp_path / "spool" / "aside" / name / "fhir.json").read_bytes() == b"bundle"


def test_it_is_said_where_the_pacs_holds_them(
    spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pneumoscope")
    destination = Destination(lambda file: file == BAD)
    _queue(spool, BAD, GOOD)
    _deliver(spool, destination, lambda: spool.depth("results") == 0)
    said = [record.getMessage().split(maxsplit=1)[1] for record in caplog.records]
    assert said[0].startswith("held by the PACS already ")
    assert said[1].startswith("sent ")
