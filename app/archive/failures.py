"""When so many files in a row fail that something else is wrong."""

from app.archive.row import Row
from app.errors import ArchiveError


class Failures:
    """Counts files in a row that could not be read."""

    def __init__(self, most: int) -> None:
        """Begin to count.

        Args:
            most: as many end the archive.
        """
        self._most, self._count = most, 0

    def note(self, row: Row, *, known: bool) -> None:
        """Count a file's row, which is `known` where it was not read in this run.

        Raises:
            ArchiveError: too many in a row failed.
        """
        if known or row.problem is None:
            self._count = 0
            return
        self._count += 1
        if self._count >= self._most:
            raise ArchiveError(
                f"{self._count} files in a row could not be read, the last one for "
                f"{row.problem}; the same command goes on behind them."
            )
