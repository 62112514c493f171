"""Writing the record: one process, one thread, a line at a time.

A line is with the operating system before its answer is given, and on the disk a second later: a
killed process loses nothing that it answered, a machine without power the last second of it.
"""

import asyncio
import fcntl
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.audit import chain
from app.errors import NotRecordedError, ServeError

log = logging.getLogger("pneumoscope")

_MOST_BYTES = 64 * 2**20
_SECONDS_BETWEEN_SYNCS = 1.0
_SECONDS_BETWEEN_LINES_OF_THE_LOG = 10.0
# That a line has, or what a lost write leaves at a file's end.
_MOST_TAIL_BYTES = 2**20
_MOST_TORN_CHARACTERS = 4096
_LOCK = "lock"


class Record:
    """The record in a folder, which goes on where it ended."""

    # The last line, and the file that it is in.
    _number: int
    _previous: str
    _file: int
    _size: int
    # Whether something may lie beyond the lines: what is left of one that was not written whole.
    _has_rest: bool

    def __init__(
        self, folder: Path, most_bytes: int = _MOST_BYTES, setting: str = "PNEUMOSCOPE_AUDIT"
    ) -> None:
        """Find the end of the record, or begin one.

        Args:
            folder: where it lies; made if it is not there.
            setting: that names the folder.
            most_bytes: of a file; then another one begins.

        Raises:
            ServeError: the folder cannot be written, another process writes there, or the record's
                end is no line.
        """
        self._folder, self._most_bytes, self._setting = folder, most_bytes, setting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._sync_is_due = False
        self._failure: OSError | None = None
        self._told = -_SECONDS_BETWEEN_LINES_OF_THE_LOG
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(folder / _LOCK)
            self._resume_or_unlock()
        except BlockingIOError:
            raise ServeError(f"Another process writes into {setting}.") from None
        except OSError as error:
            raise ServeError(f"{setting} cannot be written: {error.strerror}.") from None

    async def append(self, entry: dict[str, Any]) -> None:
        """Write a line; number, time and the chain are added.

        Raises:
            NotRecordedError: it could not be written; the record is as it was before.
        """
        loop = asyncio.get_running_loop()
        if not self._sync_is_due:
            self._sync_is_due = True
            loop.call_later(_SECONDS_BETWEEN_SYNCS, self._begin_to_sync)
        try:
            await loop.run_in_executor(self._thread, self._append, entry)
        except OSError as error:
            self._tell(error)
            raise NotRecordedError from None

    def close(self) -> None:
        """Have everything on the disk, and let another process write."""
        self._thread.submit(self._sync).result()
        self._thread.shutdown()
        os.close(self._file)
        os.close(self._lock)
        self._say("ends with")

    def _begin_to_sync(self) -> None:
        self._sync_is_due = False
        # It may be closed by now, and all be on the disk.
        with suppress(RuntimeError):
            self._thread.submit(self._sync)

    # What only the thread does, once there is one.

    def _append(self, entry: dict[str, Any]) -> None:
        line = chain.line(self._number + 1, entry, self._previous)
        if self._size and self._size + len(line) > self._most_bytes:
            self._rotate()
        if self._failure:
            raise OSError(*self._failure.args)
        try:
            _write(self._file, line, self._size)
            if self._has_rest:
                os.ftruncate(self._file, self._size + len(line))
        except OSError:
            self._has_rest = True
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._has_rest = False
        self._size += len(line)
        self._number, self._previous = self._number + 1, chain.digest(line)

    def _rotate(self) -> None:
        file = self._open(self._folder / chain.file_name(self._number + 1))
        self._sync()
        os.close(self._file)
        self._file, self._size, self._has_rest = file, 0, False
        self._say("goes on in another file after")

    def _sync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            # Which lines the disk has, nobody can tell any more.
            self._failure = error
            log.critical("No answers until the next start: fsync: %s.", error.strerror)

    # Where it goes on.

    def _resume_or_unlock(self) -> None:
        try:
            self._resume()
        except (OSError, ServeError):
            os.close(self._lock)
            raise

    def _resume(self) -> None:
        self._number, self._previous = 0, chain.ZEROS
        # The last file may be empty: made, and never written.
        files = [file for file in chain.files(self._folder) if file.stat().st_size]
        torn = b""
        for file in reversed(files):
            last, rest = self._end_of(file)
            torn = torn or rest
            if last:
                found = chain.number_and_previous(last)
                if found is None:
                    raise ServeError(
                        f"The last line of {file.name} in {self._setting} is none of a record: "
                        "`pneumoscope audit verify` says more. Name another folder."
                    )
                self._number, self._previous = found[0], chain.digest(last)
                break
        self._file = self._open(files[-1] if files else self._folder / chain.file_name(1))
        self._size = os.fstat(self._file).st_size - len(torn)
        self._has_rest = bool(torn)
        if torn:
            text = torn.decode("ascii", "replace")[:_MOST_TORN_CHARACTERS]
            self._append({"torn": {"bytes": len(torn), "text": text}})
            log.warning("The record of readings had a torn line, of %d bytes.", len(torn))
        self._say("goes on after")

    def _end_of(self, path: Path) -> tuple[bytes, bytes]:
        """A file's last whole line, if it has one, and what follows it, which is torn.

        Raises:
            ServeError: the end is too long to be either.
        """
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _MOST_TAIL_BYTES)
            file.seek(start)
            tail = file.read()
        whole, end, torn = tail.rpartition(b"\n")
        before, _, last = whole.rpartition(b"\n")
        if start and not before:
            raise ServeError(f"The end of {path.name} in {self._setting} is none of a record.")
        return last + end, torn

    def _open(self, path: Path) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            # So that the file's name is on the disk too.
            os.fsync(folder)
        except OSError:
            os.close(file)
            raise
        finally:
            os.close(folder)
        return file

    def _say(self, what: str) -> None:
        log.info("The record of readings %s line %d, %s.", what, self._number, self._previous)

    def _tell(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_LINES_OF_THE_LOG:
            self._told = now
            log.error("No answers: readings cannot be recorded: %s.", error.strerror)


def _locked(path: Path) -> int:
    """A file that this process alone has, while it is open.

    Raises:
        BlockingIOError: another process has it.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _write(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written
