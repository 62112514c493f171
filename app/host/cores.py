"""How many cores this process may use, which a container limits in ways that `os` does not tell."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_WANTED = "OMP_NUM_THREADS"


def available(root: Path = _CONTROL_GROUPS, own: Path = _OWN) -> int:
    """The cores of the affinity mask, or fewer where a control group's quota pays for fewer.

    A part of a core counts as one. Where OMP_NUM_THREADS asks for fewer, as Ray sets it to what an
    actor was given, it is these.

    Args:
        root: where the control groups are mounted.
        own: the file that names this process's groups.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = os.environ.get(_WANTED, "")
    given = [int(wanted)] if wanted.isdecimal() else []
    return max(1, min([cores or 1, *given, *map(math.ceil, _quotas(root, own))]))


def _quotas(root: Path, own: Path) -> Iterator[float]:
    """The cores that the process's groups, and those above them, may use in each period.

    Where the container sees its own group only, that one is at the root.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        folder = root / controllers
        group = folder / path.lstrip("/")
        for place in (group, *group.parents):
            if place.is_relative_to(folder):
                yield from _quota(place)


def _quota(group: Path) -> Iterator[float]:
    """Of `cpu.max` (version 2), or of `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1)."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in names).split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal():
            yield int(quota) / int(period)
