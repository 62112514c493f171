import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from app.errors import StoppingError
from app.inference.batcher import Batcher, Timed
from app.inference.contract import Answers
from tests.answered import answers

SECONDS = 10


class FakeEngine:
    """Answers each image with the value of its first pixel, once the gate is open."""

    name = device = "fake"

    def __init__(self, streams: int = 1, max_batch: int = 4) -> None:
        self.streams = streams
        self.max_batch = max_batch
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False
        self.threads: set[int] = set()

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        values = images[:, 0, 0, 0]
        self.batches.append(values.tolist())
        self.threads.add(threading.get_ident())
        assert self.gate.wait(SECONDS)
        if self.failing:
            raise FloatingPointError("the engine failed")
        floats = values.astype(np.float32)
        found = answers(floats, logit=floats, probability=floats / np.float32(255))
        return replace(found, cam=floats[:, None, None])


def image(value: int) -> npt.NDArray[np.uint8]:
    """An image that the fake engine answers with its value."""
    return np.full((224, 224, 1), value, np.uint8)


def run(
    scenario: Callable[[Batcher, FakeEngine], Awaitable[None]], engine: FakeEngine | None = None
) -> list[int]:
    """Play a scenario with a started batcher, which is stopped afterwards; nothing may hang."""
    sizes: list[int] = []
    engine = engine or FakeEngine()

    async def play() -> None:
        batcher = Batcher(engine, sizes.append)
        batcher.start()
        try:
            async with asyncio.timeout(SECONDS):
                await scenario(batcher, engine)
        finally:
            engine.gate.set()
            await batcher.stop()

    asyncio.run(play())
    return sizes


async def queued(batcher: Batcher, values: range) -> list[asyncio.Task[Timed]]:
    """Callers, one an image, that have all put it into the queue."""
    callers = [asyncio.create_task(batcher.infer(image(value))) for value in values]
    await asyncio.sleep(0)
    return callers


async def busy(batcher: Batcher, engine: FakeEngine) -> asyncio.Task[Timed]:
    """A caller whose image, 0, the engine is at and does not finish before the gate opens."""
    engine.gate.clear()
    (caller,) = await queued(batcher, range(1))
    while not engine.batches:
        await asyncio.sleep(0.001)
    return caller


def logits(results: list[Timed]) -> list[int]:
    assert all(result.answers.logit.shape == (1,) for result in results)
    return [int(result.answers.logit[0]) for result in results]


def test_an_image_alone_is_answered_at_once() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        timed = await batcher.infer(image(51))
        assert timed.answers.logit.tolist() == [51]
        assert timed.answers.probability == pytest.approx([0.2])
        assert timed.answers.cam.tolist() == [[[51]]]
        assert timed.answers.novelty.tolist() == [51]
        assert 0 <= timed.queued < 1
        assert timed.inferred > 0
        assert engine.batches == [[51]]

    assert len(run(scenario)) == 1


def test_what_queued_is_batched_in_order() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        first = await busy(batcher, engine)
        callers = await queued(batcher, range(1, 8))
        engine.gate.set()
        assert logits(await asyncio.gather(first, *callers)) == list(range(8))
        assert engine.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]

    assert sum(run(scenario)) == 8


def test_the_seconds_in_the_queue_are_told_from_those_of_inference() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        await busy(batcher, engine)
        (caller,) = await queued(batcher, range(1, 2))
        await asyncio.sleep(0.05)
        engine.gate.set()
        timed = await caller
        assert timed.queued >= 0.05
        assert timed.inferred > 0

    run(scenario)


def test_a_failure_reaches_every_caller_and_is_survived() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        first = await busy(batcher, engine)
        callers = await queued(batcher, range(1, 4))
        engine.failing = True
        engine.gate.set()
        results = await asyncio.gather(first, *callers, return_exceptions=True)
        assert [type(result) for result in results] == [FloatingPointError] * 4
        engine.failing = False
        assert logits([await batcher.infer(image(9))]) == [9]

    run(scenario)


def test_images_that_make_no_batch_are_survived() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        first = await busy(batcher, engine)
        callers = await queued(batcher, range(1, 2))
        odd = asyncio.create_task(batcher.infer(np.zeros((9, 9, 1), np.uint8)))
        await asyncio.sleep(0)
        engine.gate.set()
        results = await asyncio.gather(*callers, odd, return_exceptions=True)
        assert [type(result) for result in results] == [ValueError] * 2
        assert logits([await first, await batcher.infer(image(9))]) == [0, 9]

    run(scenario)


def test_a_caller_who_left_costs_no_inference() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        first = await busy(batcher, engine)
        callers = await queued(batcher, range(1, 4))
        callers[1].cancel()
        first.cancel()
        await asyncio.sleep(0)
        engine.gate.set()
        assert logits([await callers[0], await callers[2]]) == [1, 3]
        assert engine.batches == [[0], [1, 3]]

    run(scenario)


def test_streams_infer_side_by_side() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        engine.gate.clear()
        callers = []
        for value in range(3):
            callers += await queued(batcher, range(value, value + 1))
            while len(engine.batches) <= value:
                await asyncio.sleep(0.001)
        assert len(engine.threads) == 3
        engine.gate.set()
        assert logits(await asyncio.gather(*callers)) == [0, 1, 2]

    run(scenario, FakeEngine(streams=3))


def test_queue_depth() -> None:
    async def play() -> None:
        batcher = Batcher(FakeEngine(), lambda size: None)
        callers = await queued(batcher, range(3))
        assert batcher.waiting == 3
        batcher.start()
        await asyncio.gather(*callers)
        assert batcher.waiting == 0
        await batcher.stop()

    asyncio.run(play())


def test_whoever_waits_when_it_stops_is_told_so() -> None:
    async def scenario(batcher: Batcher, engine: FakeEngine) -> None:
        callers = [await busy(batcher, engine), *await queued(batcher, range(1, 9))]
        threading.Timer(0.02, engine.gate.set).start()
        await batcher.stop()
        for caller in callers:
            with pytest.raises(StoppingError):
                await caller
        with pytest.raises(StoppingError):
            await batcher.infer(image(1))
        assert engine.batches == [[0]]

    run(scenario)
