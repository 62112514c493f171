"""The Transaction UIDs of a performer: its own, and the same after a restart."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.uid import UID

from app.errors import ReadError
from app.pacs.web.claims import Claims

WORKITEM = "1.2.3"


def _of_a_process(path: Path) -> str:
    script = (
        "import sys; from pathlib import Path; from app.pacs.web.claims import Claims\n"
        "print(Claims(Path(sys.argv[1])).transaction(sys.argv[2]))"
    )
    made = [sys.executable, "-c", script, str(path), WORKITEM]
    return subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()


def test_the_next_start_knows_the_claims_of_the_last(tmp_path: Path) -> None:
    first, second = _of_a_process(tmp_path / "a"), _of_a_process(tmp_path / "a")

    assert first == second
    assert UID(first).is_valid
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_no_other_performer_and_no_other_workitem_has_the_same(tmp_path: Path) -> None:
    one, other = Claims(tmp_path / "a"), Claims(tmp_path / "b")

    made = {claims.transaction(uid) for claims in (one, other) for uid in (WORKITEM, "1.2.4")}

    assert len(made) == 4


def test_a_file_that_a_kill_cut_short_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"half")

    assert _of_a_process(tmp_path / "a") == _of_a_process(tmp_path / "a")
    assert len((tmp_path / "a").read_bytes()) == 32


def test_one_process_holds_a_file(tmp_path: Path) -> None:
    held = Claims(tmp_path / "a")

    with pytest.raises(ReadError, match=r"^--claims: another process holds the file\.$"):
        Claims(tmp_path / "a")
    assert held.transaction(WORKITEM) == held.transaction(WORKITEM)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"^--claims: No such file or directory\.$"):
        Claims(tmp_path / "no folder" / "a")
