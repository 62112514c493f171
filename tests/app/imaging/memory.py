"""How much memory something takes."""

from collections.abc import Callable
from pathlib import Path

import pytest

MEBIBYTE = 2**20


def peak_growth(work: Callable[[], None]) -> int:
    """By how many bytes the process grows at most while it does the work."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not clear.exists():
        pytest.skip("the peak of memory is read from Linux")

    def peak() -> int:
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    clear.write_text("5")  # proc(5): resets the peak
    before = peak()
    work()
    return peak() - before
