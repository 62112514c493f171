"""Work that all else comes before."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_LOWEST = 19

T = TypeVar("T")


async def in_background(work: Callable[[], T]) -> T:
    """Work in a thread of the lowest priority, which the threads that it starts have as well.

    The process may end before the work does, for whose turn it might wait for long.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        _take_the_lowest()
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return await asyncio.wrap_future(done)


def _take_the_lowest() -> None:
    """Of this thread; only Linux has one for each."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
