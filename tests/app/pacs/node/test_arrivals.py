import asyncio
import time

from app.pacs.node.arrivals import Arrivals

SOON = 5.0


def test_another_thread_wakes_all_who_wait() -> None:
    async def run() -> float:
        arrivals, started = Arrivals(), time.monotonic()
        waiting = [asyncio.create_task(arrivals.wait(60)) for _ in range(2)]
        await asyncio.to_thread(arrivals.tell)
        await asyncio.gather(*waiting)
        return time.monotonic() - started

    assert asyncio.run(run()) < SOON


def test_what_arrives_while_one_looks_is_not_missed() -> None:
    async def run() -> float:
        arrivals, started = Arrivals(), time.monotonic()
        arrivals.clear()
        await asyncio.to_thread(arrivals.tell)
        await asyncio.sleep(0)
        await arrivals.wait(60)
        return time.monotonic() - started

    assert asyncio.run(run()) < SOON


def test_nobody_waits_longer_than_wanted_or_past_the_end() -> None:
    async def run() -> float:
        arrivals, stop, started = Arrivals(), asyncio.Event(), time.monotonic()
        await arrivals.wait(0.01)
        ending = asyncio.create_task(arrivals.end_with(stop))
        stop.set()
        await arrivals.wait(60)
        await ending
        return time.monotonic() - started

    assert asyncio.run(run()) < SOON


def test_a_loop_that_has_ended_needs_not_be_told() -> None:
    async def made() -> Arrivals:
        return Arrivals()

    asyncio.run(made()).tell()
