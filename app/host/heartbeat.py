"""A file that is written again and again while the process is well.

Its age tells whether all is well with any of the commands, whichever ports they listen on, and
looking at it costs next to nothing.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

SECONDS = 5.0


async def beat(file: Path, is_well: Callable[[], bool]) -> None:
    """Write an empty file every five seconds in which all is well, until cancelled; then remove it.

    Where it cannot be written, it grows old, as if something were wrong.
    """
    try:
        while True:
            if is_well():
                _write(file)
            await asyncio.sleep(SECONDS)
    finally:
        _remove(file)


def _write(file: Path) -> None:
    try:
        file.touch(0o600)
    except OSError:
        return


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return
