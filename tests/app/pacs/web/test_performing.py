"""Rounds over a worklist in which something is always wrong, and the rest is done all the same.

The manager is a strict stub, and so is what reads.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydicom import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from app.errors import FailedError, UnreachableError
from app.pacs import backoff
from app.pacs.web.claims import Claims
from app.pacs.web.performing import Performer
from app.pacs.web.study import Kind, Outcome, StudyReader
from app.pacs.web.workitem import Assignment
from app.pacs.web.worklist import Worklist
from tests.app.pacs.ups_stub import UpsStub, code, images

STATION = "PNEUMOSCOPE"


class Reading:
    """A reader of images, some of which are read in a way of their own."""

    def __init__(self) -> None:
        self.read_images: list[str] = []
        self.on_image: dict[str, Callable[[], Kind]] = {}
        self.archive = SimpleNamespace(
            url="http://pacs/rs", unread=self._unread, studies=self._studies
        )
        self.is_wrong_url = False
        self.reader = SimpleNamespace(model=None)

    async def read(self, wanted: Iterable[Dataset]) -> AsyncIterator[Outcome]:
        for image in wanted:
            uid = str(image.SOPInstanceUID)
            kind = self.on_image.get(uid, lambda: "stored")()
            self.read_images.append(uid)
            result = Dataset()
            result.StudyInstanceUID, result.SeriesInstanceUID = image.StudyInstanceUID, "5.1"
            result.SOPClassUID, result.SOPInstanceUID = "1.2.840", f"6.{len(self.read_images)}"
            yield Outcome(uid, kind, "said", (result,) if kind == "stored" else ())

    def _studies(self, *_: Any) -> dict[str, None]:
        if self.is_wrong_url:
            raise FailedError(404)
        return {}

    def _unread(self, study: str, **_: Any) -> list[Dataset]:
        raise LookupError("The PACS has no such study.")


def _image() -> Dataset:
    image = Dataset()
    image.SOPClassUID = DigitalXRayImageStorageForPresentation
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(image, keyword, generate_uid())
    return image


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.02)


@pytest.fixture
def stub(credentials: None) -> Iterator[UpsStub]:
    with UpsStub().listening() as stub:
        yield stub


@pytest.fixture
def perform(stub: UpsStub, tmp_path: Path) -> Callable[..., None]:
    """Have a performer do rounds until something is so."""
    worklist = Worklist(stub.url, STATION, Claims(tmp_path / "claims"))

    def perform(
        reading: Reading,
        until: Callable[[], bool],
        workitem: str | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        async def run() -> None:
            stopping = stop or asyncio.Event()
            assignment = Assignment(STATION, workitem)
            performer = Performer(cast("StudyReader", reading), worklist, assignment)
            running = asyncio.create_task(performer.run(0.01, stopping))
            async with asyncio.timeout(60):
                while not until() and not running.done():
                    await asyncio.sleep(0.01)
            stopping.set()
            await running

        asyncio.run(run())

    return perform


def _rounds(stub: UpsStub, count: int) -> Callable[[], bool]:
    """Whether so many rounds were begun from now on."""
    before = len(stub.requests)
    searched = ("GET", "/worklist/rs/workitems")
    return lambda: stub.requests[before:].count(searched) >= 2 * (count + 1)


def test_a_workitem_is_done(stub: UpsStub, perform: Callable[..., None]) -> None:
    frontal, lateral = _image(), _image()
    uid = stub.schedule(images(frontal, lateral))
    reading = Reading()
    reading.on_image[lateral.SOPInstanceUID] = lambda: "not_for_the_model"

    perform(reading, lambda: stub.states() == ["COMPLETED"])

    assert stub.changes == [(uid, "IN PROGRESS"), (uid, "COMPLETED")]
    [done] = stub.workitems[uid].contents.UnifiedProcedureStepPerformedProcedureSequence
    [output] = done.OutputInformationSequence
    assert [one.ReferencedSOPInstanceUID for one in output.ReferencedSOPSequence] == ["6.1"]
    assert output.StudyInstanceUID == frontal.StudyInstanceUID


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "110523"),
        ("bad", "110521"),
        ("refused", "110513"),
        ("not_for_the_model", "110522"),
    ],
)
def test_a_workitem_that_cannot_be_done_is_canceled(
    stub: UpsStub,
    perform: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    kind: Kind,
    reason: str,
) -> None:
    image = _image()
    uid = stub.schedule(images(image))
    reading = Reading()
    reading.on_image[image.SOPInstanceUID] = lambda: kind
    caplog.set_level(logging.INFO)

    perform(reading, lambda: stub.states() == ["CANCELED"])

    [progress] = stub.workitems[uid].contents.ProcedureStepProgressInformationSequence
    [told] = progress.ProcedureStepDiscontinuationReasonCodeSequence
    assert told.CodeValue == reason
    assert f"workitem canceled: {progress.ReasonForCancellation}" in caplog.messages


@pytest.mark.parametrize(
    ("study", "reason"), [("1.2.3", "110523"), ("1/2", "110521"), (None, "110522")]
)
def test_inputs_that_lead_nowhere(
    stub: UpsStub, perform: Callable[..., None], study: str | None, reason: str
) -> None:
    given = Dataset()
    given.StudyInstanceUID = study
    uid = stub.schedule([given] if study else [])

    perform(Reading(), lambda: stub.states() == ["CANCELED"])

    [progress] = stub.workitems[uid].contents.ProcedureStepProgressInformationSequence
    [told] = progress.ProcedureStepDiscontinuationReasonCodeSequence
    assert told.CodeValue == reason


def test_a_wrong_address_of_the_archive_cancels_nothing(
    stub: UpsStub, perform: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    image = _image()
    stub.schedule(images(image))
    reading = Reading()
    reading.on_image[image.SOPInstanceUID] = lambda: "missing"
    reading.is_wrong_url = True

    perform(reading, lambda: "The PACS answered with status 404." in caplog.messages)
    assert stub.states() == ["IN PROGRESS"]

    reading.is_wrong_url = False
    reading.on_image.clear()
    perform(reading, lambda: stub.states() == ["COMPLETED"])


def test_what_is_for_others_or_not_ready_stays_as_it_is(
    stub: UpsStub, perform: Callable[..., None]
) -> None:
    stub.schedule(images(_image()), ScheduledStationNameCodeSequence=[code("CT")])
    stub.schedule(images(_image()), ScheduledStationNameCodeSequence=[])
    waiting = stub.schedule(images(_image()), InputReadinessState="INCOMPLETE")
    reading = Reading()

    perform(reading, _rounds(stub, 3))
    assert stub.states() == ["SCHEDULED"] * 3

    stub.workitems[waiting].contents.InputReadinessState = "READY"
    perform(reading, lambda: stub.states()[2] == "COMPLETED")
    assert stub.states()[:2] == ["SCHEDULED"] * 2


def test_an_offer_of_the_code_is_taken_and_no_other(
    stub: UpsStub, perform: Callable[..., None]
) -> None:
    nobody: dict[str, Any] = {"ScheduledStationNameCodeSequence": []}
    stub.schedule(images(_image()), **nobody, ScheduledWorkitemCodeSequence=[code("CT")])
    stub.schedule(images(_image()), ScheduledStationNameCodeSequence=[code("OTHER")])
    stub.schedule(images(_image()), **nobody)

    perform(Reading(), lambda: stub.states()[2] == "COMPLETED", "CXR")

    assert stub.states() == ["SCHEDULED", "SCHEDULED", "COMPLETED"]


def test_a_claim_that_is_lost_is_no_trouble(
    stub: UpsStub, perform: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    lost = stub.schedule(images(_image()), ScheduledProcedureStepPriority="HIGH")
    stub.schedule(images(_image()))
    stub.faster = {lost}
    reading = Reading()

    perform(reading, lambda: stub.states()[1] == "COMPLETED")
    perform(reading, _rounds(stub, 5))

    assert stub.states() == ["IN PROGRESS", "COMPLETED"]
    assert stub.workitems[lost].transaction == "1.2.3"
    assert len(reading.read_images) == 1
    # What is another's is asked for once by each start.
    assert stub.requests.count(("POST", f"/worklist/rs/workitems/{lost}")) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("in_between", ["POST", "PUT"])
def test_what_was_left_in_progress_is_finished(
    stub: UpsStub, perform: Callable[..., None], in_between: str
) -> None:
    uid = stub.schedule(images(_image()))
    reading = Reading()

    def fail() -> Kind:
        stub.statuses = {in_between: 503}
        return "stored"

    reading.on_image[
        str(
            stub.workitems[uid]
            .contents.InputInformationSequence[0]
            .ReferencedSOPSequence[0]
            .ReferencedSOPInstanceUID
        )
    ] = fail
    perform(reading, lambda: bool(reading.read_images))
    assert stub.states() == ["IN PROGRESS"]

    reading.on_image.clear()
    stub.statuses = {}
    perform(reading, lambda: stub.states() == ["COMPLETED"])

    assert stub.changes == [(uid, "IN PROGRESS"), (uid, "COMPLETED")]


def test_a_claim_whose_answer_is_lost_is_kept(stub: UpsStub, perform: Callable[..., None]) -> None:
    uid = stub.schedule(images(_image()))
    answer = stub.answer

    def lose(method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        said = answer(method, target, headers, body)
        is_claim = method == "PUT" and stub.changes == [(uid, "IN PROGRESS")]
        return (504, "") if is_claim else said

    stub.answer = lose  # type: ignore[method-assign]
    perform(Reading(), lambda: stub.states() == ["COMPLETED"])

    assert stub.changes == [(uid, "IN PROGRESS"), (uid, "COMPLETED")]


def test_a_stop_finishes_the_image_and_leaves_the_rest_for_the_next_start(
    stub: UpsStub, perform: Callable[..., None]
) -> None:
    first, second = _image(), _image()
    stub.schedule(images(first, second))
    reading, stop = Reading(), asyncio.Event()

    def stopped() -> Kind:
        stop.set()
        return "stored"

    reading.on_image[first.SOPInstanceUID] = stopped
    perform(reading, lambda: False, stop=stop)
    assert reading.read_images == [first.SOPInstanceUID]
    assert stub.states() == ["IN PROGRESS"]

    perform(reading, lambda: stub.states() == ["COMPLETED"])
    assert reading.read_images[1:] == [first.SOPInstanceUID, second.SOPInstanceUID]


def _unreachable() -> Kind:
    raise UnreachableError("The PACS did not answer.")


@pytest.mark.parametrize("trouble", [lambda: "failed", _unreachable])
def test_a_workitem_that_fails_starves_no_other(
    stub: UpsStub, perform: Callable[..., None], trouble: Callable[[], Kind]
) -> None:
    image = _image()
    stub.schedule(images(image), ScheduledProcedureStepPriority="HIGH")
    stub.schedule(images(_image()))
    stub.schedule(images(_image()))
    reading = Reading()
    reading.on_image[image.SOPInstanceUID] = trouble

    perform(reading, lambda: stub.states()[1:] == ["COMPLETED"] * 2)
    assert stub.states()[0] == "IN PROGRESS"

    del reading.on_image[image.SOPInstanceUID]
    perform(reading, lambda: stub.states() == ["COMPLETED"] * 3)


def test_a_manager_that_is_away_is_waited_for(
    stub: UpsStub, perform: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    stub.schedule(images(_image()))
    stub.statuses = {"GET": 503}

    def is_back() -> bool:
        if len(caplog.messages) >= 2:
            stub.statuses = {}
        return stub.states() == ["COMPLETED"]

    perform(Reading(), is_back)

    assert set(caplog.messages[:2]) == {
        "The worklist manager is too busy, or away for now (status 503)."
    }


def test_an_update_that_is_refused_is_told(
    stub: UpsStub, perform: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    image = _image()
    stub.schedule(images(image))
    reading = Reading()

    def canceled_by_the_manager() -> Kind:
        for workitem in stub.workitems.values():
            workitem.state = "CANCELED"
        return "stored"

    reading.on_image[image.SOPInstanceUID] = canceled_by_the_manager
    told = "workitem given up: The worklist manager answered with status 400."
    perform(reading, lambda: told in caplog.messages)

    assert stub.states() == ["CANCELED"]
