"""When files that fail end an archive."""

import pytest

from app.archive.failures import Failures
from app.errors import ArchiveError
from tests.app.archive.rows import row

BAD = row().failed("unreadable_image", "Broken.")


def test_only_failures_in_a_row_count() -> None:
    failures = Failures(3)
    for one in (BAD, BAD, row(), BAD, BAD):
        failures.note(one, known=False)
    with pytest.raises(ArchiveError, match="3 files in a row could not be read"):
        failures.note(BAD, known=False)


def test_failures_of_an_earlier_run_do_not_count() -> None:
    failures = Failures(3)
    for _ in range(10):
        failures.note(BAD, known=True)
    failures.note(BAD, known=False)
