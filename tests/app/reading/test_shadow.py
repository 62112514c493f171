"""A shadow reads what a model answered, when it has the time, and only the metrics tell."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.imaging.decode import Radiograph
from app.reading.metrics import Metrics
from app.reading.model import Model
from app.reading.reading import judge
from app.reading.served import Served
from app.reading.shadow import Shadow
from tests.answered import answers
from tests.app.conftest import Scripted
from tests.model_store.made import manifest

IMAGE = np.zeros((224, 224, 1), np.uint8)
PAIR = {"version": "1", "shadow": "2"}


def play(
    engine: Scripted, scenario: Callable[[Shadow, asyncio.Event], Awaitable[None]]
) -> CollectorRegistry:
    """What is counted once a scenario was played with a shadow, and the event that lets it read."""
    metrics, idle = Metrics(), asyncio.Event()
    served, beside = Served(manifest(version=2), engine), Model(manifest(), "none", "none")
    shadow = Shadow(served, beside, metrics, idle.wait)

    async def run() -> None:
        shadow.start()
        async with asyncio.timeout(10):
            await scenario(shadow, idle)
        await shadow.stop()

    asyncio.run(run())
    return metrics.registry


def offer(shadow: Shadow, probability: float) -> None:
    """An image that a model answered so."""
    radiograph = Radiograph(np.zeros((9, 9), np.uint8), 9, 9, "PNG", "")
    answered = answers([probability])
    shadow.offer(IMAGE, judge(radiograph, answered, Model(manifest(), "none", "none"), {}))


async def until(engine: Scripted, inferred: int) -> None:
    """Wait until an engine has inferred so many batches, and what comes after is done."""
    while engine.inferred < inferred:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)


def test_it_counts_what_it_says_otherwise() -> None:
    engine = Scripted()

    async def scenario(shadow: Shadow, idle: asyncio.Event) -> None:
        idle.set()
        for value in (0.9, 0.1):
            engine.value = value
            offer(shadow, 0.8)
            await until(engine, engine.inferred + 1)

    found = play(engine, scenario)

    assert found.get_sample_value("pneumoscope_shadow_difference_count", PAIR) == 2
    assert found.get_sample_value("pneumoscope_shadow_difference_sum", PAIR) == pytest.approx(0.8)
    changed = PAIR | {"from": "PNEUMONIA", "to": "NORMAL"}
    assert found.get_sample_value("pneumoscope_shadow_changed_labels_total", changed) == 1
    never = PAIR | {"from": "NORMAL", "to": "PNEUMONIA"}
    assert found.get_sample_value("pneumoscope_shadow_changed_labels_total", never) == 0


def test_it_waits_while_a_client_does_and_drops_what_it_has_no_room_for() -> None:
    engine = Scripted()

    async def scenario(shadow: Shadow, idle: asyncio.Event) -> None:
        for _ in range(100):
            offer(shadow, 0.8)
        await asyncio.sleep(0.05)
        assert engine.inferred == 0
        idle.set()
        await until(engine, 64)

    found = play(engine, scenario)

    assert engine.inferred == 64
    dropped = {"reason": "no_time"}
    assert found.get_sample_value("pneumoscope_shadow_dropped_total", dropped) == 36
    assert found.get_sample_value("pneumoscope_shadow_difference_count", PAIR) == 64


def test_it_goes_on_where_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    engine = Scripted()

    async def scenario(shadow: Shadow, idle: asyncio.Event) -> None:
        idle.set()
        engine.error = FloatingPointError("SECRET")
        offer(shadow, 0.8)
        await until(engine, 1)
        engine.error = None
        offer(shadow, 0.8)
        await until(engine, 2)

    found = play(engine, scenario)

    assert found.get_sample_value("pneumoscope_shadow_dropped_total", {"reason": "failed"}) == 1
    assert found.get_sample_value("pneumoscope_shadow_difference_count", PAIR) == 1
    assert "FloatingPointError" in caplog.text
    assert "SECRET" not in caplog.text
