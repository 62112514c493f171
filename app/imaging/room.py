"""How many pixels may be decoded at once, whichever threads decode them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Waits for room for so many pixels.
Take = Callable[[int], None]


def unbounded(pixels: int) -> None:
    """There is room for any number."""


class PixelRoom:
    """Room for a number of pixels, which threads wait for in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._changed = threading.Condition()
        self._first = threading.Lock()

    @contextmanager
    def holding(self) -> Iterator[Take]:
        """What is taken in the block is held to its end; more than there is, alone."""
        held = 0

        def take(pixels: int) -> None:
            nonlocal held
            wanted = min(pixels, self._most)
            with self._first, self._changed:
                self._changed.wait_for(lambda: self._free >= wanted)
                self._free -= wanted
            held += wanted

        try:
            yield take
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()
