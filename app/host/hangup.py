"""What SIGHUP means to a service: look again at what it was started with."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Where there is one at all.
_SIGHUP = getattr(signal, "SIGHUP", None)


def ignore() -> None:
    """Do not end by it, while what the service starts with is being looked at."""
    if _SIGHUP:
        signal.signal(_SIGHUP, signal.SIG_IGN)


@contextmanager
def heard(hear: Callable[[], object]) -> Iterator[None]:
    """Have it heard by the running loop in the block; only a process's main thread hears signals.

    Args:
        hear: is called for each.
    """
    if not _SIGHUP or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(_SIGHUP)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(_SIGHUP, hear)
    try:
        yield
    finally:
        loop.remove_signal_handler(_SIGHUP)
        signal.signal(_SIGHUP, before)
