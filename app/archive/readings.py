"""Files to rows in the journal, on every core."""

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from app.archive.failures import Failures
from app.archive.files import Found
from app.archive.journal import Journal
from app.archive.outputs import Outputs
from app.archive.progress import Progress
from app.archive.read import INTERNAL_ERROR, UNREADABLE_FOLDER, read, too_large, unreadable
from app.archive.row import Row, empty
from app.errors import ArchiveError, ImageError
from app.reading.reader import Reader


class _Taken(NamedTuple):
    """A file's row, and its bytes where it is to be read."""

    row: Row
    data: bytes | None = None
    known: bool = False


class Readings:
    """Reads as many files at once as keep the reader busy, and holds no others."""

    def __init__(
        self,
        reader: Reader,
        journal: Journal,
        outputs: Outputs,
        progress: Progress,
        max_failures: int,
    ) -> None:
        """Prepare to read.

        Args:
            reader: the model.
            journal: where rows are noted.
            outputs: what else is written of an image.
            progress: where files are counted.
            max_failures: files in a row that may fail.
        """
        self._reader, self._journal = reader, journal
        self._outputs, self._progress = outputs, progress
        self._failures = Failures(max_failures)
        self._next = Lock()

    async def run(self, files: Iterator[Found], max_bytes: int, stop: asyncio.Event) -> None:
        """Read until there are no more files, or it is time to stop.

        Args:
            files: what is read.
            max_bytes: of a file; larger ones are not read.
            stop: when; what is being read then is finished.

        Raises:
            ArchiveError: the disk does not take what is written, or too many files fail in a row.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._reader.in_flight):
                    group.create_task(self._work(files, max_bytes, stop))
        except* ArchiveError as errors:
            first = errors.exceptions[0]
        else:
            return
        raise first

    async def _work(self, files: Iterator[Found], max_bytes: int, stop: asyncio.Event) -> None:
        while not stop.is_set():
            taken = await asyncio.to_thread(self._take, files, max_bytes)
            if taken is None:
                return
            row = taken.row if taken.data is None else await self._read(taken.row, taken.data)
            await asyncio.to_thread(self._journal.add, row)
            self._progress.count(row.label or row.problem or "", known=taken.known)
            self._failures.note(row, known=taken.known)

    def _take(self, files: Iterator[Found], max_bytes: int) -> _Taken | None:
        with self._next:
            found = next(files, None)
        if found is None:
            return None
        row = empty(found.path, self._reader.model)
        if found.error:
            return _Taken(row.failed(UNREADABLE_FOLDER, f"{found.error.strerror}."))
        try:
            sha256, data = _read_file(Path(found.path), max_bytes)
        except OSError as error:
            return _Taken(unreadable(row, error))
        row = replace(row, sha256=sha256)
        if known := self._journal.known(row.path, sha256):
            return _Taken(known, known=True)
        if data is None:
            return _Taken(too_large(row, max_bytes))
        return _Taken(row, data)

    async def _read(self, row: Row, data: bytes) -> Row:
        row, reading = await read(self._reader, row, data)
        if reading:
            try:
                await self._outputs.write(self._reader, reading, data)
            except ImageError as error:
                row = row.failed(error.code, str(error))
            # The disk's, which is the same for all others.
            except ArchiveError:
                raise
            # As in reading: one bad file must not end the others.
            except Exception as error:
                detail = f"{type(error).__name__} while its results were written."
                row = row.failed(INTERNAL_ERROR, detail)
        return row


def _read_file(path: Path, max_bytes: int) -> tuple[str, bytes | None]:
    """A file's SHA-256, and its bytes unless they are too many.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "No regular file", str(path))
        if status.st_size > max_bytes:
            return hashlib.file_digest(file, "sha256").hexdigest(), None
        data = file.read()
        return hashlib.sha256(data).hexdigest(), data


def _open(path: str, flags: int) -> int:
    # A pipe that nobody writes to would be waited for.
    return os.open(path, flags | os.O_NONBLOCK)
