"""Rounds over a PACS in which something is always wrong, and the rest is read all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydicom import Dataset

from app.errors import FailedError, UnreachableError
from app.pacs import backoff
from app.pacs.web.polling import Polling
from app.pacs.web.study import Outcome, StudyReader


class Pacs:
    """Studies of images, by UID, of which some are read in a way of their own."""

    def __init__(self, studies: dict[str, list[str]]) -> None:
        self.held = studies
        self.read_images: list[str] = []
        self.on_image: dict[str, Callable[[], str]] = {}
        self.on_study: dict[str, Exception] = {}
        self.archive = self
        self.reader = SimpleNamespace(model=SimpleNamespace(manifest=None))

    def studies(self, *_: Any) -> dict[str, int | None]:
        return dict.fromkeys(self.held)

    def unread(self, study: str, *_: Any) -> list[Dataset]:
        if study in self.on_study:
            raise self.on_study[study]
        found = []
        for uid in self.held[study]:
            if uid not in self.read_images:
                image = Dataset()
                image.SOPInstanceUID = uid
                found.append(image)
        return found

    async def read(self, images: Iterable[Dataset]) -> AsyncIterator[Outcome]:
        for image in images:
            uid = str(image.SOPInstanceUID)
            kind = self.on_image.get(uid, lambda: "stored")()
            if kind == "stored":
                self.read_images.append(uid)
            yield Outcome(uid, cast("Any", kind), "said")


def _poll(pacs: Pacs, until: Callable[[], bool]) -> None:
    async def run() -> None:
        stop = asyncio.Event()
        polling = Polling(cast("StudyReader", pacs), date.today)
        running = asyncio.create_task(polling.run(0.01, stop))
        async with asyncio.timeout(30):
            while not until():
                await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.02)


def _unreachable() -> str:
    raise UnreachableError("The PACS did not answer.")


@pytest.mark.parametrize("trouble", [lambda: "failed", _unreachable, lambda: "bad"])
def test_an_image_that_fails_starves_no_other(trouble: Callable[[], str]) -> None:
    pacs = Pacs({"1": ["1.1", "1.2"], "2": ["2.1"], "3": ["3.1"]})
    pacs.on_image["1.1"] = trouble

    _poll(pacs, lambda: set(pacs.read_images) == {"1.2", "2.1", "3.1"})


@pytest.mark.parametrize("error", [FailedError(500), UnreachableError("")])
def test_a_study_that_fails_starves_no_other(error: Exception) -> None:
    pacs = Pacs({"1": ["1.1"], "2": ["2.1"], "3": ["3.1"]})
    pacs.on_study["1"] = error

    _poll(pacs, lambda: set(pacs.read_images) == {"2.1", "3.1"})


def test_an_image_that_fails_is_read_less_and_less_often() -> None:
    pacs = Pacs({"1": ["1.1"]})
    tried: list[int] = []
    rounds = [0]

    def fail() -> str:
        tried.append(rounds[0])
        return "failed"

    def count(*_: Any) -> dict[str, int | None]:
        rounds[0] += 1
        return {"1": None}

    pacs.on_image["1.1"] = fail
    pacs.studies = count  # type: ignore[method-assign]
    _poll(pacs, lambda: len(tried) == 5)

    assert tried[-1] - tried[-2] > tried[1] - tried[0]


def test_another_model_looks_again_at_what_is_settled() -> None:
    pacs = Pacs({"1": ["1.1"], "2": []})
    pacs.studies = lambda *_: {"1": 1, "2": 0}  # type: ignore[method-assign]
    looked: list[tuple[str, int]] = []
    unread = pacs.unread

    def look(study: str, modalities: Any, model: Any) -> list[Dataset]:
        looked.append((study, model.version))
        return unread(study)

    def read() -> str:
        return "stored" if pacs.reader.model.version == 2 else "not_for_the_model"

    def change() -> bool:
        if len(looked) == 3 and pacs.reader.model.version == 1:
            pacs.reader.model = SimpleNamespace(version=2)
        return pacs.read_images == ["1.1"]

    pacs.reader.model = SimpleNamespace(version=1)
    pacs.unread = look  # type: ignore[method-assign]
    pacs.on_image["1.1"] = read
    _poll(pacs, change)

    # The first round reads, the second finds nothing left, and later ones do not even ask.
    assert looked[:5] == [("1", 1), ("2", 1), ("1", 1), ("1", 2), ("2", 2)]


def test_an_image_that_recovers_is_read() -> None:
    pacs = Pacs({"1": ["1.1"]})
    answers = iter(["failed", "failed", "stored"])
    pacs.on_image["1.1"] = lambda: next(answers)

    _poll(pacs, lambda: pacs.read_images == ["1.1"])
