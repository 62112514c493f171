import asyncio
import time
from itertools import islice

import pytest

from app.pacs import backoff
from app.pacs.backoff import Backoff, delays, pause


def test_it_doubles_up_to_five_minutes() -> None:
    for given, longest in zip(
        islice(delays(), 12), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300], strict=True
    ):
        assert longest / 2 <= given <= longest


def test_a_pause_ends_when_it_is_time_to_stop() -> None:
    async def stopped() -> float:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, stop.set)
        started = time.monotonic()
        await pause(stop, 600)
        return time.monotonic() - started

    assert asyncio.run(stopped()) < 60


def test_a_pause_lasts() -> None:
    started = time.monotonic()
    asyncio.run(pause(asyncio.Event(), 0.05))
    assert time.monotonic() - started >= 0.05


def test_each_thing_waits_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(backoff, "time", type("Clock", (), {"monotonic": lambda: now[0]}))
    failures = Backoff()
    assert [failures.failed("a") for _ in range(3)] == [1, 2, 3]
    assert not failures.is_due("a")
    assert failures.is_due("b")
    now[0] = 4.0
    assert failures.is_due("a")
    failures.failed("a")
    failures.succeeded("a")
    assert failures.is_due("a")
    assert failures.failed("a") == 1
