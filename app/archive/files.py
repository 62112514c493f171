"""The files under folders, one after the other, however many there are."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """A file, or a folder that cannot be listed, and then the error that says why."""

    path: str
    error: OSError | None = None


def under(folders: Sequence[Path], leaving_out: Collection[Path] = ()) -> Iterator[Found]:
    """All files under the folders; links are followed, but not round in a circle.

    Hidden files and folders are left out: file managers keep pictures of pictures there.

    Args:
        folders: where to look; one may also be a file.
        leaving_out: files and folders that are no part of the archive, such as its results.
    """
    left_out = {os.path.realpath(path) for path in leaving_out}
    for folder in folders:
        if folder.is_dir():
            yield from _walk(str(folder), left_out, ())
        elif os.path.realpath(folder) not in left_out:
            yield Found(str(folder))


def check(folder: str) -> None:
    """Pass where a folder can be listed, or is a file.

    Raises:
        OSError: it is not there, or cannot be.
    """
    if stat.S_ISDIR(os.stat(folder).st_mode):
        os.scandir(folder).close()


def _walk(folder: str, left_out: set[str], above: tuple[str, ...]) -> Iterator[Found]:
    real = os.path.realpath(folder)
    if real in left_out or real in above:
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    yield from _walk(entry.path, left_out, (*above, real))
                elif os.path.realpath(entry.path) not in left_out:
                    yield Found(entry.path)
    except OSError as error:
        yield Found(folder, error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A link to itself, or into a folder that is closed, is a file that cannot be opened.
    try:
        return entry.is_dir()
    except OSError:
        return False
