"""Files that every machine of a cluster reaches, in folders that all mount or in object storage."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from app.errors import ArchiveError

_SCHEME = "://"

_AWS_ERROR = re.compile(r"AWS Error ([A-Z_]+)")
_REFUSED = "the storage refuses the credentials, or there are none"
# What Arrow calls the errors of S3 and of all that speaks like it.
_REASONS = {
    "ACCESS_DENIED": _REFUSED,
    "INVALID_ACCESS_KEY_ID": _REFUSED,
    "INVALID_CLIENT_TOKEN_ID": _REFUSED,
    "SIGNATURE_DOES_NOT_MATCH": _REFUSED,
    "NO_SUCH_BUCKET": "there is no such bucket",
    "NETWORK_CONNECTION": "the storage does not answer",
}


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
        try:
            system, path = _opened(folder)
            yield from (Place(folder, path) for path in _walk(system, path))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise ArchiveError(f"{_shown(folder)} cannot be listed: {_reason(error)}.") from error


def read(place: Place, max_bytes: int) -> bytes | None:
    """A file's bytes, or None where they are more than `max_bytes`.

    Raises:
        OSError: it cannot be read.
    """
    system, _ = _opened(place.folder)
    try:
        with system.open_input_file(place.path) as file:
            return None if file.size() > max_bytes else bytes(file.read())
    except OSError as error:
        raise OSError(error.errno or errno.EIO, _reason(error), place.name) from error


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


def _shown(folder: str) -> str:
    """A folder's path, or its URI without what it says of the connection."""
    if _SCHEME not in folder:
        return folder
    uri = urlsplit(folder)
    return f"{uri.scheme}{_SCHEME}{uri.netloc.rpartition('@')[2]}{uri.path}"


def _reason(error: Exception) -> str:
    """Why, in words of our own: Arrow's errors may quote credentials that a URI holds."""
    if found := _AWS_ERROR.search(str(error)):
        return _REASONS.get(found[1], f"the storage says {found[1]}")
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else "the storage failed"
    return "Arrow knows no such storage"
