"""How long to wait for what failed."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress

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


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some seconds, or until it is time to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
