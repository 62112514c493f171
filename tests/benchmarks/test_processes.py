import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks import processes

PARENT = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); time.sleep(60)"
)
# A worker and an orphan, each with a daemon in a session of its own. Each line is a process's id.
FAMILY = """
worker='setsid sleep 60 & echo $!; wait'
sh -c "$worker" & echo $!
(sh -c "$worker" & echo $!)
echo $$
wait
"""


def ended(pid: int) -> bool:
    """Whether a process is gone within some seconds, or waits for its adopter to collect it."""
    for _ in range(100):
        try:
            if psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A server, which leads a session, and all of its processes."""
    with subprocess.Popen(
        ["sh", "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True
    ) as server:
        assert server.stdout
        found = sorted(int(server.stdout.readline()) for _ in range(5))
        yield server, found
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_the_tree_has_descendants_and_the_session_and_nobody_else(
    family: tuple[subprocess.Popen[bytes], list[int]],
) -> None:
    server, found = family
    assert sorted(processes.tree(server.pid)) == found
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert processes.tree(gone.pid) == []


def test_orphans_are_found_where_the_first_process_is_gone(
    family: tuple[subprocess.Popen[bytes], list[int]],
) -> None:
    server, found = family
    server.kill()
    server.wait()
    assert sorted([server.pid, *processes.tree(server.pid)]) == found


def test_a_name_with_parentheses_and_spaces_hides_no_parent(tmp_path: Path) -> None:
    sleep = shutil.which("sleep")
    assert sleep
    with subprocess.Popen([shutil.copy(sleep, tmp_path / "x) S 7 ("), "60"]) as child:
        assert child.pid in processes.tree(os.getpid())
        child.kill()


def test_memory_counts_what_the_tree_shares_once(
    family: tuple[subprocess.Popen[bytes], list[int]],
) -> None:
    server, found = family
    alone = psutil.Process(server.pid).memory_full_info().pss
    resident = sum(psutil.Process(pid).memory_info().rss for pid in found)
    assert alone < processes.memory(server.pid) < resident


def test_our_own_memory_is_read() -> None:
    assert processes.memory(os.getpid()) > 10_000_000


@pytest.mark.parametrize("orphaned", [False, True])
def test_a_server_is_ended_with_its_children(*, orphaned: bool) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True
    )
    assert server.stdout
    child = int(server.stdout.readline())
    assert sorted(processes.tree(server.pid)) == sorted([server.pid, child])
    if orphaned:
        server.kill()
        server.wait()

    processes.stop(server)

    server.stdout.close()
    assert server.poll() is not None
    assert ended(child)
