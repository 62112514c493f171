"""A file whose age tells whether all is well."""

import asyncio
import time
from pathlib import Path

import pytest

from app.host import heartbeat


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS", 0.01)


async def _beat(file: Path, *states: bool) -> list[bool]:
    """Whether there is a fresh file in each of the states."""
    well, fresh = False, []
    async with heartbeat.beating(file, lambda: well):
        for state in states:
            well = state
            await asyncio.sleep(0.1)
            file.unlink(missing_ok=True)
            await asyncio.sleep(0.1)
            fresh.append(file.exists())
    return fresh


def test_the_file_is_written_while_all_is_well(tmp_path: Path) -> None:
    file = tmp_path / "alive"

    assert asyncio.run(_beat(file, False, True, False, True)) == [False, True, False, True]
    assert not file.exists()


def test_a_file_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    assert asyncio.run(_beat(tmp_path / "no" / "alive", True)) == [False]


def test_an_event_loop_that_hangs_lets_the_file_grow_old(tmp_path: Path) -> None:
    file = tmp_path / "alive"

    async def run() -> float:
        async with heartbeat.beating(file, lambda: True):
            await asyncio.sleep(0.05)
            time.sleep(0.3)
            return time.time() - file.stat().st_mtime

    assert asyncio.run(run()) > 0.25
