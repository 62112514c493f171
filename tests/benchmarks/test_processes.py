import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes

PARENT = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); time.sleep(60)"
)


def process(
    proc: Path, pid: int, parent: int, session: int, pss: int | None = 0, name: str = "python"
) -> None:
    """A process as /proc shows it; `pss` in kB."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} 1 {session} 0 -1")
    if pss is not None:
        (folder / "smaps_rollup").write_text(
            f"00400000-7ffff000 ---p 00000000 00:00 0 [rollup]\n"
            f"Rss: 999999 kB\nPss:     {pss} kB\nPss_Dirty: 5 kB\n"
        )


def ended(pid: int) -> bool:
    """Whether a process is gone within some seconds, or waits for its adopter to collect it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


def test_the_tree_has_descendants_and_the_session_and_nobody_else(tmp_path: Path) -> None:
    for pid, parent, session in (
        (10, 5, 10),
        (11, 10, 10),
        (12, 11, 12),
        (13, 1, 10),
        (14, 13, 14),
        (20, 5, 20),
        (21, 20, 20),
    ):
        process(tmp_path, pid, parent, session)
    assert sorted(processes.tree(10, tmp_path)) == [10, 11, 12, 13, 14]
    assert processes.tree(99, tmp_path) == []


def test_orphans_are_found_where_the_first_process_is_gone(tmp_path: Path) -> None:
    process(tmp_path, 11, 1, 10)
    process(tmp_path, 12, 11, 12)
    assert processes.tree(10, tmp_path) == [11, 12]


def test_a_name_with_parentheses_and_spaces_hides_no_parent(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, 10)
    process(tmp_path, 11, 10, 7, name="ray::x) S 7 (")
    assert processes.tree(10, tmp_path) == [10, 11]


def test_memory_sums_the_proportional_sizes_of_the_tree(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, 10, pss=300)
    process(tmp_path, 11, 10, 10, pss=200)
    process(tmp_path, 12, 10, 10, pss=None)
    process(tmp_path, 20, 1, 20, pss=5000)
    assert processes.memory(10, tmp_path) == 500 * 1024


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
