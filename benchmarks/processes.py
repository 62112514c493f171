"""A server's processes: who belongs to it, how much memory they hold, and their end.

Linux only: everything is read from /proc.
"""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_GRACE = 20.0


def tree(root: int, proc: Path = _PROC) -> list[int]:
    """The process `root`, which leads a session, its descendants and its session, by id.

    Orphans are nobody's descendants, but still of the session; daemons are of another session, but
    still descendants.
    """
    children: dict[int, list[int]] = {}
    found = []
    for stat in proc.glob("[0-9]*/stat"):
        # A process may end while we look.
        with suppress(OSError):
            pid = int(stat.parent.name)
            # The name, in parentheses, may hold anything; state, parent, group and session follow.
            _, parent, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            children.setdefault(int(parent), []).append(pid)
            if root in (pid, int(session)):
                found.append(pid)
    for pid in found:
        found.extend(child for child in children.get(pid, []) if child not in found)
    return found


def memory(root: int, proc: Path = _PROC) -> int:
    """What `root` and its descendants hold in memory, in bytes.

    The proportional set size: a page that several of them share counts once, so that a server of
    several processes is not blamed for what they have in common.
    """
    total = 0
    for pid in tree(root, proc):
        with suppress(OSError):
            lines = (proc / str(pid) / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
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
