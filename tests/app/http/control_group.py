"""A control group of Linux that ends whatever takes more memory than it may."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Version 1 mounts each controller by itself; version 2 has one tree. What the files are called.
_TREES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


@dataclass(frozen=True)
class ControlGroup:
    """A group that a process joins by writing its number into a file."""

    path: Path

    def command(self, command: list[str]) -> list[str]:
        """The command, which joins the group before it is the command."""
        joining = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", joining, str(self.path / "cgroup.procs"), *command]


@contextmanager
def control_group(limit: int) -> Iterator[ControlGroup | None]:
    """A group of at most `limit` bytes; None where none can be made, as without root."""
    found = _made(f"pneumoscope-tests-{os.getpid()}", limit)
    try:
        yield ControlGroup(found) if found else None
    finally:
        if found:
            found.rmdir()


def _made(name: str, limit: int) -> Path | None:
    for tree, file in _TREES:
        path = tree / name
        if not (tree / "cgroup.procs").exists():
            continue
        try:
            path.mkdir()
        except OSError:
            continue
        try:
            (path / file).write_text(str(limit))
        except OSError:
            path.rmdir()
        else:
            return path
    return None
