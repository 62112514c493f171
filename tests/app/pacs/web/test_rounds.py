"""Rounds that fail and recover."""

import asyncio
from collections.abc import Iterator

import pytest

from app.errors import UnreachableError
from app.pacs.web import rounds as module
from app.pacs.web.rounds import rounds


def test_rounds_that_fail_come_less_often_until_one_does_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waited: list[float] = []

    async def wait(stop: asyncio.Event, seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 6:
            stop.set()

    def delays() -> Iterator[float]:
        yield from (5, 20, 80)

    answers = iter([True, False, False, False, True, False])

    async def look(_: asyncio.Event) -> None:
        if not next(answers):
            raise UnreachableError("It did not answer.")

    monkeypatch.setattr(module, "pause", wait)
    monkeypatch.setattr(module, "delays", delays)
    asyncio.run(rounds(look, 10, asyncio.Event()))

    assert waited == [10, 10, 20, 80, 10, 10]
    assert caplog.messages == ["It did not answer."] * 4
