"""Asking a server for work again and again, and less often while it is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.errors import UnreachableError
from app.pacs.backoff import delays, pause

log = logging.getLogger("pneumoscope")


async def rounds(
    look: Callable[[asyncio.Event], Awaitable[None]], seconds: float, stop: asyncio.Event
) -> None:
    """Look for work until it is time to stop.

    Args:
        look: a round, which ends early when it is time to stop.
        seconds: between two rounds. After one that failed it takes longer, from 1 second to 5
            minutes.
        stop: ends it.
    """
    waits = delays()
    while not stop.is_set():
        try:
            await look(stop)
        except UnreachableError as error:
            log.warning("%s", error)
            await pause(stop, max(seconds, next(waits)))
        else:
            waits = delays()
            await pause(stop, seconds)
