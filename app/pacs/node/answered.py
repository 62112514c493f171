"""Which images were answered, and as which file, so that a corrected one is known as such.

A corrected image has the SOP Instance UID of the earlier one, and its results have those of the
earlier results: a PACS that keeps what it holds goes on showing these, and says that it stored all.
"""

import hashlib
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

log = logging.getLogger("pneumoscope")

_PRIVATE = 0o600
# Some 80 MB: a hospital's of several years.
_KEPT = 500_000
_TABLE = (
    "CREATE TABLE IF NOT EXISTS latest (number INTEGER PRIMARY KEY, image BLOB UNIQUE, name TEXT)"
)


class Answered:
    """A database beside the queue, of digests only: it tells nothing of a patient.

    It remembers the latest `kept` images. Without it images are read all the same: where it cannot
    be used, none counts as corrected.
    """

    def __init__(self, path: Path, kept: int = _KEPT) -> None:
        self._path, self._kept = path, kept

    def corrects(self, image: str, name: str) -> bool:
        """Whether another file was answered under an image's UID.

        Args:
            image: its SOP Instance UID.
            name: of its file in the queue.
        """
        try:
            with closing(self._connect()) as database:
                query = "SELECT name FROM latest WHERE image = ?"
                found = database.execute(query, [_digest(image)]).fetchone()
        except (OSError, sqlite3.Error) as error:
            self._tell(error)
            return False
        return found is not None and found[0] != name

    def note(self, image: str, name: str) -> None:
        """Remember as which file an image was answered last."""
        try:
            with closing(self._connect()) as database, database:
                change = "REPLACE INTO latest (image, name) VALUES (?, ?)"
                number = database.execute(change, [_digest(image), name]).lastrowid or 0
                database.execute("DELETE FROM latest WHERE number <= ?", [number - self._kept])
        except (OSError, sqlite3.Error) as error:
            self._tell(error)

    def _connect(self) -> sqlite3.Connection:
        self._path.touch(_PRIVATE)
        database = sqlite3.connect(self._path)
        database.execute(_TABLE)
        return database

    def _tell(self, error: Exception) -> None:
        log.error("%s cannot be used: %s", self._path.name, type(error).__name__)


def _digest(image: str) -> bytes:
    return hashlib.sha256(image.encode()).digest()
