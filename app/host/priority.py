"""Work that all else comes before."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_LOWEST = 19

T = TypeVar("T")


async def in_background(work: Callable[[], T]) -> T:
    """Work in a thread of the lowest priority, which the threads that it starts have as well."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="background", initializer=_lowest)
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
    finally:
        pool.shutdown(wait=False)


def _lowest() -> None:
    """Of this thread; only Linux has one for each."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
