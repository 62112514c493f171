"""Files that every machine of a cluster reaches, in folders that all mount or in object storage."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
from pyarrow import fs

from app.errors import ArchiveError

_SCHEME = "://"


class Place(NamedTuple):
    """A file.

    Attributes:
        folder: as it was given: a path, or a URI such as `s3://bucket/xrays?region=eu-west-1`.
        path: of the file, as the folder's file system has it.
    """

    folder: str
    path: str

    @property
    def name(self) -> str:
        """What a row calls it: the path, or the URI without what it says of the connection."""
        scheme, found, _ = self.folder.partition(_SCHEME)
        return f"{scheme}{_SCHEME}{self.path}" if found else self.path


def under(folders: Sequence[str]) -> Iterator[Place]:
    """All files under the folders, but hidden ones.

    Raises:
        ArchiveError: a folder is not there, or cannot be listed.
    """
    for folder in folders:
        # Its errors are of many types, and quote credentials that the URI may hold.
        try:
            system, path = _opened(folder)
            yield from (Place(folder, path) for path in _walk(system, path))
        except (OSError, pa.ArrowException, ValueError) as error:
            place = Place(folder, "").name or folder
            raise ArchiveError(f"{place} cannot be listed: {type(error).__name__}.") from error


def read(place: Place, max_bytes: int) -> bytes | None:
    """A file's bytes, or None where they are more than `max_bytes`.

    Raises:
        OSError: it cannot be read.
    """
    system, _ = _opened(place.folder)
    with system.open_input_file(place.path) as file:
        return None if file.size() > max_bytes else bytes(file.read())


def _walk(system: fs.FileSystem, path: str) -> Iterator[str]:
    found = system.get_file_info(path)
    if found.type == fs.FileType.File:
        yield path
        return
    # Level by level, so that a list of all is never held.
    for entry in system.get_file_info(fs.FileSelector(path)):
        if entry.base_name.startswith("."):
            continue
        if entry.type == fs.FileType.Directory:
            yield from _walk(system, entry.path)
        else:
            yield entry.path


@lru_cache
def _opened(folder: str) -> tuple[fs.FileSystem, str]:
    if _SCHEME in folder:
        system, path = fs.FileSystem.from_uri(folder)
        return system, path
    return fs.LocalFileSystem(), os.path.abspath(folder)
