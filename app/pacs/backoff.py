"""How long to wait for what failed."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 300.0


def delays() -> Iterator[float]:
    """Seconds to wait after each failure in a row: from 1 they double, up to 5 minutes.

    Up to half is taken off at random, so that those who failed together do not return together.
    """
    seconds = _FIRST_SECONDS
    while True:
        yield seconds * random.uniform(0.5, 1)  # noqa: S311
        seconds = min(2 * seconds, _LONGEST_SECONDS)


@dataclass
class _Failures:
    """Of one thing: how many in a row, and the monotonic time from which it may be tried again."""

    count: int = 0
    due: float = 0.0
    waits: Iterator[float] = field(default_factory=delays)


class Backoff:
    """When each of several things may be tried again, by name; none waits for another one."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def failed(self, name: str) -> int:
        """Note a failure; returns how many there were in a row."""
        failures = self._failures.setdefault(name, _Failures())
        failures.count += 1
        failures.due = time.monotonic() + next(failures.waits)
        return failures.count

    def succeeded(self, name: str) -> None:
        """Forget its failures."""
        self._failures.pop(name, None)

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        return name not in self._failures or time.monotonic() >= self._failures[name].due


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until it is time to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
