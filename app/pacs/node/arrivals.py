"""Waiting in the event loop for what arrives in another thread."""

import asyncio
from contextlib import suppress


class Arrivals:
    """Wakes those who wait for an entry of the queue.

    Whoever looks clears it first: what arrives while they look wakes them again.
    """

    def __init__(self) -> None:
        """Wake those of the running loop."""
        self._loop, self._arrived = asyncio.get_running_loop(), asyncio.Event()

    def tell(self) -> None:
        """Wake all who wait; from any thread."""
        # The loop may have ended.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._arrived.set)

    def clear(self) -> None:
        """Wait from now on."""
        self._arrived.clear()

    async def wait(self, seconds: float) -> None:
        """Until something arrived since the last look, or for some seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), seconds)

    async def end_with(self, stop: asyncio.Event) -> None:
        """Wake all who wait when it is time to stop."""
        await stop.wait()
        self._arrived.set()
