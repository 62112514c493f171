"""A file that is written again and again while the process is well.

Its age tells whether all is well with any of the commands, whichever ports they listen on, and
looking at it costs next to nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

SECONDS = 5.0


@asynccontextmanager
async def beating(file: Path | None, is_well: Callable[[], bool]) -> AsyncIterator[None]:
    """Write an empty file every five seconds of the block in which all is well; then remove it.

    Where it cannot be written, it grows old, as if something were wrong.

    Args:
        file: which one; without any, nothing is written.
        is_well: is asked before each time.
    """
    if file is None:
        yield
        return
    task = asyncio.create_task(_beat(file, is_well))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        _remove(file)


async def _beat(file: Path, is_well: Callable[[], bool]) -> None:
    while True:
        if is_well():
            _write(file)
        await asyncio.sleep(SECONDS)


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
