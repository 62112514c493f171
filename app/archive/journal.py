"""What was read so far, on the disk: a kill costs what was read in the last second.

A SQLite database beside the result, since it finds one of any number of rows by the file's content
in little memory, and leaves no half-written row behind.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from app.archive.read import PASSING
from app.archive.row import Row
from app.errors import ArchiveError

SUFFIX = ".journal"

_SECONDS_BETWEEN_COMMITS = 1.0
# `content` is the file's SHA-256, where reading it again would give the same row.
_TABLES = """
CREATE TABLE IF NOT EXISTS rows (
    path TEXT PRIMARY KEY, content TEXT, run INTEGER NOT NULL, row TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_content ON rows (content);
CREATE TABLE IF NOT EXISTS conditions (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Journal:
    """The rows of one result, which threads may add to.

    A file is known by its content: a copy of it, or the same one under another name, is not read
    again. What was not read for a reason that passes is read in the next run.
    """

    def __init__(self, path: Path, conditions: Mapping[str, str]) -> None:
        """Open a journal, or begin one.

        Args:
            path: of the database.
            conditions: what the rows depend on beside the files, by the words for it.

        Raises:
            ArchiveError: it cannot be written, another process has it, it is no journal, or was
                begun under other conditions.
        """
        self.path = path
        # SQLite has the latter while it writes.
        self.files = path, path.with_name(f"{path.name}-journal")
        self._lock = Lock()
        self._committed = time.monotonic()
        with self._blaming_the_disk():
            self._database = sqlite3.connect(path, timeout=0, check_same_thread=False)
        try:
            with self._blaming_the_disk():
                self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._database.executescript(f"BEGIN EXCLUSIVE; {_TABLES} COMMIT;")
                self._check(conditions)
                self._run = self._next_run()
        except ArchiveError:
            self._database.close()
            raise

    def known(self, path: str, sha256: str) -> Row | None:
        """The row of a file of this content, as that of this path; None where there is none."""
        with self._lock, self._blaming_the_disk():
            query = "SELECT row FROM rows WHERE content = ? LIMIT 1"
            found = self._database.execute(query, [sha256]).fetchone()
        return row_of(found[0], path=path) if found else None

    def content(self, path: str) -> str | None:
        """The SHA-256 that the file of a path had when it was read; None where it was not."""
        with self._lock, self._blaming_the_disk():
            query = "SELECT content FROM rows WHERE path = ?"
            found = self._database.execute(query, [path]).fetchone()
        return found[0] if found else None

    def add(self, row: Row) -> None:
        """Note a row, which is on the disk a second later."""
        content = None if row.problem in PASSING else row.sha256
        values = row.path, content, self._run, json.dumps(asdict(row))
        with self._lock, self._blaming_the_disk():
            self._database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", values)
            if time.monotonic() - self._committed > _SECONDS_BETWEEN_COMMITS:
                self._database.commit()
                self._committed = time.monotonic()

    def rows(self) -> Iterator[Row]:
        """The rows of this run, by path: none of files that are gone since an earlier one."""
        query = "SELECT row FROM rows WHERE run = ? ORDER BY path"
        with self._lock, self._blaming_the_disk():
            self._database.commit()
            for (written,) in self._database.execute(query, [self._run]):
                yield row_of(written)

    def close(self) -> None:
        """Have all rows on the disk."""
        with self._lock, self._blaming_the_disk():
            self._database.commit()
            self._database.close()

    def _check(self, conditions: Mapping[str, str]) -> None:
        begun = dict(self._database.execute("SELECT name, value FROM conditions").fetchall())
        for name, value in conditions.items():
            if begun and begun.get(name) != value:
                raise ArchiveError(
                    f"{self.path} was begun with another {name}: remove it to begin anew, or give "
                    "another --out."
                )
        rows = conditions.items()
        self._database.executemany("INSERT OR REPLACE INTO conditions VALUES (?, ?)", rows)
        self._database.commit()

    def _next_run(self) -> int:
        self._database.execute("DELETE FROM rows WHERE content IS NULL")
        self._database.commit()
        (latest,) = self._database.execute("SELECT max(run) FROM rows").fetchone()
        return (latest or 0) + 1

    @contextmanager
    def _blaming_the_disk(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise ArchiveError(f"Another process writes {self.path}.") from error
            raise ArchiveError(f"{self.path} cannot be used as the journal: {error}.") from error


def row_of(written: str, **changes: str) -> Row:
    """The row that was written as JSON, save for what is changed."""
    fields = json.loads(written)
    several = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return Row(**(fields | several | changes))
