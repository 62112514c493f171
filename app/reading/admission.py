"""Who may have a request at work, and whose turn it is: fairly between clients.

A place is had by a request from its admission to its answer, with the bytes of its body. Where
there is no more room, the client that has most of what is short gives up the latest of its requests
that still wait. So one client alone may have everything, and one among others keeps its share.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from app.errors import BusyError
from app.reading.clients import key_of

_client: ContextVar[str] = ContextVar("client", default="")
_place: ContextVar["Place | None"] = ContextVar("place", default=None)


def comes_from(address: str) -> None:
    """Say whom the work of this task, and of those that it starts, is for."""
    _client.set(key_of(address))


def begins() -> None:
    """Say that the request of this task has work that is not given up any more."""
    if place := _place.get():
        place.has_begun = True


def hold(size: int) -> None:
    """Have room for the body of this task's request.

    Args:
        size: its bytes, whether they have come or are only declared.

    Raises:
        BusyError: where there is no room for them.
    """
    if place := _place.get():
        place.hold(size)


class Place:
    """What one request holds of the service."""

    def __init__(self, room: "Room", client: str) -> None:
        self.client = client
        self.held_bytes = 0
        # Work that has begun is not given up for anybody.
        self.has_begun = False
        self._was_given_up = False
        self._room = room
        self._task = asyncio.current_task()

    def hold(self, size: int) -> None:
        """As the function of this name does."""
        if size > self.held_bytes:
            self._room.hold(self, size)

    def give_up(self) -> None:
        """End the request's task, for another client."""
        self._was_given_up = True
        if self._task:
            self._task.cancel()

    def is_given_up(self) -> bool:
        """Whether that, and nothing else, is why the task is cancelled."""
        return self._was_given_up and self._task is not None and self._task.uncancel() == 0


class Room:
    """The places for requests, and for the bytes of their bodies."""

    def __init__(self, places: int, most_bytes: int) -> None:
        self._most_places, self._most_bytes = places, most_bytes
        # In the order of admission.
        self._places: list[Place] = []

    @property
    def taken(self) -> int:
        """How many places are."""
        return len(self._places)

    @property
    def is_full(self) -> bool:
        return self.taken >= self._most_places

    def has_none_for(self, address: str) -> bool:
        """Whether a request from there is sure to be refused."""
        if not self.is_full:
            return False
        total = self._totals(_one)
        return total[key_of(address)] + 1 >= max(total.values())

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A place for the request of this task.

        Raises:
            BusyError: where there is none, or where another client needs it more.
        """
        place = Place(self, _client.get())
        if self.is_full:
            self._make_room(place, _one, 1)
        self._places.append(place)
        _place.set(place)
        try:
            yield place
        except asyncio.CancelledError:
            if place.is_given_up():
                raise BusyError from None
            raise
        finally:
            self._leave(place)

    def hold(self, place: Place, size: int) -> None:
        more = size - place.held_bytes
        while sum(other.held_bytes for other in self._places) + more > self._most_bytes:
            self._make_room(place, _bytes, more)
        place.held_bytes = size

    def _make_room(self, place: Place, weight: Callable[[Place], int], more: int) -> None:
        """Give up the latest request that waits of the client that has the most.

        Raises:
            BusyError: where that is the one that asks.
        """
        total = self._totals(weight)
        asked = total[place.client] + more
        waiting = [
            other
            for other in self._places
            if not other.has_begun and weight(other) and total[other.client] > asked
        ]
        if not waiting:
            raise BusyError
        latest = max(reversed(waiting), key=lambda other: total[other.client])
        latest.give_up()
        self._leave(latest)

    def _totals(self, weight: Callable[[Place], int]) -> dict[str, int]:
        total: dict[str, int] = defaultdict(int)
        for place in self._places:
            total[place.client] += weight(place)
        return total

    def _leave(self, place: Place) -> None:
        if place in self._places:
            self._places.remove(place)


class Turns:
    """A number of turns at a time, which go round the clients that wait."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self) -> None:
        """Wait for a turn, which has to be given back."""
        if self._free:
            self._free -= 1
            return
        client = _client.get()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Have a turn for the block."""
        await self.take()
        try:
            yield
        finally:
            self.give_back()

    def give_back(self) -> None:
        """Pass the turn on to the client that has waited longest since its last."""
        while self._waiting:
            client, turns = next(iter(self._waiting.items()))
            del self._waiting[client]
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _one(_: Place) -> int:
    return 1


def _bytes(place: Place) -> int:
    return place.held_bytes
