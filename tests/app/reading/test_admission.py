"""Who gets a place, a turn and room for bytes where there is not enough for all."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from app.errors import BusyError
from app.reading import admission
from app.reading.admission import Room, Turns

GREEDY, MODEST, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


class Requests:
    """Requests that hold a place, and so many bytes, until they are told to end."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.over = asyncio.Event()
        self.outcomes: dict[str, str] = {}

    async def come(self, name: str, address: str, size: int = 0, *, begun: bool = False) -> None:
        """Ask for a place and wait until it is clear whether there is one."""
        task = asyncio.create_task(self._hold(name, address, size, begun))
        self.outcomes[name] = "held"
        for _ in range(3):
            await asyncio.sleep(0)
        self._tasks = [*getattr(self, "_tasks", []), task]

    async def _hold(self, name: str, address: str, size: int, begun: bool) -> None:
        admission.comes_from(address)
        try:
            async with self.room.place():
                if begun:
                    admission.begins()
                admission.hold(size)
                await self.over.wait()
        except BusyError as busy:
            self.outcomes[name] = busy.code

    async def end(self) -> None:
        self.over.set()
        await asyncio.gather(*self._tasks)


def test_one_client_may_have_every_place() -> None:
    async def run() -> None:
        requests = Requests(Room(2, 100))
        for name in "abc":
            await requests.come(name, GREEDY)
        assert requests.outcomes == {"a": "held", "b": "held", "c": "busy"}
        assert requests.room.is_full
        await requests.end()
        assert not requests.room.is_full

    _run(run())


def test_the_client_with_most_places_gives_up_its_latest() -> None:
    async def run() -> None:
        requests = Requests(Room(3, 100))
        for name in "abc":
            await requests.come(name, GREEDY)
        assert requests.room.has_none_for(GREEDY)
        assert not requests.room.has_none_for(MODEST)
        await requests.come("d", MODEST)
        assert requests.outcomes == {"a": "held", "b": "held", "c": "busy", "d": "held"}
        # Two and one: a second place would only turn that round.
        assert requests.room.has_none_for(MODEST)
        await requests.come("e", MODEST)
        assert requests.outcomes["e"] == "busy"
        await requests.come("f", THIRD)
        assert [requests.outcomes[name] for name in "abdf"] == ["held", "busy", "held", "held"]
        await requests.end()

    _run(run())


def test_work_that_has_begun_is_not_given_up() -> None:
    async def run() -> None:
        requests = Requests(Room(2, 100))
        await requests.come("a", GREEDY)
        await requests.come("b", GREEDY, begun=True)
        await requests.come("c", MODEST)
        assert requests.outcomes == {"a": "busy", "b": "held", "c": "held"}
        await requests.end()

    _run(run())


def test_bytes_have_a_bound_and_are_shared() -> None:
    async def run() -> None:
        requests = Requests(Room(10, 100))
        await requests.come("a", GREEDY, 60)
        await requests.come("b", GREEDY, 50)
        assert requests.outcomes == {"a": "held", "b": "busy"}
        await requests.come("c", GREEDY, 30)
        await requests.come("d", MODEST, 40)
        assert requests.outcomes == {"a": "held", "b": "busy", "c": "busy", "d": "held"}
        await requests.come("e", THIRD, 90)
        assert requests.outcomes["e"] == "busy"
        await requests.end()
        requests = Requests(requests.room)
        await requests.come("f", GREEDY, 100)
        assert requests.outcomes == {"f": "held"}
        await requests.end()

    _run(run())


def test_a_task_that_is_cancelled_otherwise_stays_cancelled() -> None:
    async def run() -> None:
        room = Room(1, 100)

        async def hold() -> None:
            async with room.place():
                await asyncio.sleep(60)

        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not room.is_full

    _run(run())


def test_turns_go_round_the_clients() -> None:
    async def run() -> None:
        turns, order = Turns(1), ""

        async def take(name: str, address: str) -> None:
            nonlocal order
            admission.comes_from(address)
            async with turns.taken():
                order += name
                await asyncio.sleep(0)

        names = [*(("g", GREEDY) for _ in range(5)), ("m", MODEST), ("m", MODEST), ("t", THIRD)]
        await asyncio.gather(*(take(*name) for name in names))
        assert order == "ggmtgmgg"

    _run(run())


def test_a_turn_is_not_lost_with_who_waited_for_it() -> None:
    async def run() -> None:
        turns = Turns(1)
        await turns.take()
        waiting = [asyncio.create_task(turns.take()) for _ in range(2)]
        await asyncio.sleep(0)
        # One before its turn comes, the other just then.
        waiting[0].cancel()
        turns.give_back()
        waiting[1].cancel()
        for task in waiting:
            with suppress(asyncio.CancelledError):
                await task
        await turns.take()

    _run(run())
