"""Failures of all kinds; the rest is in `test_command`, with real files."""

import asyncio
from io import StringIO
from pathlib import Path

from app.archive.journal import Journal
from app.archive.outputs import Outputs
from app.archive.progress import Progress
from app.archive.readings import Readings
from app.archive.row import Row, empty
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings


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
