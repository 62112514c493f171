"""A server's processes: who belongs to it, how much memory they hold, and their end."""

import os
import signal
import subprocess
from contextlib import suppress

import psutil

_GRACE = 20.0


def tree(root: int) -> list[int]:
    """The process `root`, which leads a session, its descendants and its session, by id.

    Orphans are nobody's descendants, but still of the session; daemons are of another session, but
    still descendants.
    """
    children: dict[int, list[int]] = {}
    found = []
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process.pid)
        # A process may end while we look.
        with suppress(ProcessLookupError):
            if root in (process.pid, os.getsid(process.pid)):
                found.append(process.pid)
    for pid in found:
        found.extend(child for child in children.get(pid, []) if child not in found)
    return found


def memory(root: int) -> int:
    """What `root` and its descendants hold in memory, in bytes.

    The proportional set size: a page that several of them share counts once, so that a server of
    several processes is not blamed for what they have in common.
    """
    total = 0
    for pid in tree(root):
        with suppress(psutil.Error):
            total += psutil.Process(pid).memory_full_info().pss
    return total


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that leads a session: it may do so itself for 20 s, then all of it is killed."""
    family = tree(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    for pid in {*family, *tree(process.pid)}:
        if pid != process.pid or process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()
