"""Threads that work while something else is tried."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def at_work(stop: threading.Event, *works: Callable[[], object]) -> Iterator[None]:
    """Have each work go on in a thread while the block runs.

    Args:
        stop: set when the block ends; then each work ends by itself.
        works: what is done.
    """
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
