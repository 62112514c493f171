"""Failures of all kinds; the rest is in `test_command`, with real files."""

import asyncio
from io import StringIO
from pathlib import Path

import pytest

from app.archive.journal import Journal
from app.archive.outputs import Outputs
from app.archive.progress import Progress
from app.archive.readings import Readings
from app.archive.row import Row, empty
from app.errors import ArchiveError
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings
from tests.app.archive.rows import row

BAD = row().failed("unreadable_image", "Broken.")


@pytest.fixture
def readings(settings: Settings, tmp_path: Path) -> Readings:
    journal = Journal(tmp_path / "journal", {})
    reader = load_reader(settings, Metrics())
    return Readings(reader, journal, Outputs(), Progress(StringIO()), max_failures=3)


def test_only_failures_in_a_row_count(readings: Readings) -> None:
    for one in (BAD, BAD, row(), BAD, BAD):
        readings._note(one, known=False)
    with pytest.raises(ArchiveError, match="3 files in a row could not be read"):
        readings._note(BAD, known=False)


def test_failures_of_an_earlier_run_do_not_count(readings: Readings) -> None:
    for _ in range(10):
        readings._note(BAD, known=True)


class Failing(Outputs):
    async def write(self, *_: object) -> None:
        raise RuntimeError("secret")


def test_results_that_fail_end_nothing_and_the_answer_stays(
    settings: Settings, tmp_path: Path, xray: bytes
) -> None:
    async def read() -> Row:
        reader = load_reader(settings, Metrics())
        journal = Journal(tmp_path / "journal", {})
        readings = Readings(reader, journal, Failing(), Progress(StringIO()), max_failures=3)
        async with reader.running():
            return await readings._read(empty("a", reader.model), xray)

    found = asyncio.run(read())
    assert (found.label, found.problem) == ("PNEUMONIA", "internal_error")
    assert found.detail == "RuntimeError while its results were written."
