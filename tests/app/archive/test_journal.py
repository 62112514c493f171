import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.archive import journal
from app.archive.journal import Journal
from app.errors import ArchiveError
from tests.app.archive.rows import row

SAME = {"model": "a"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.csv.journal"


def test_rows_outlive_the_process_and_come_by_path(path: Path) -> None:
    first = Journal(path, SAME)
    rows = [row("b", sha256="2" * 64), row("a", sha256="1" * 64, warnings=("low_resolution",))]
    for one in rows:
        first.add(one)
    first.close()

    second = Journal(path, SAME)
    assert [second.known(one.path, str(one.sha256)) for one in rows] == rows
    for one in rows:
        second.add(one)
    assert list(second.rows()) == [rows[1], rows[0]]


def test_a_file_is_known_by_its_content_under_any_name(path: Path) -> None:
    opened = Journal(path, SAME)
    opened.add(row("a", sha256="1" * 64))
    assert opened.known("moved/b", "1" * 64) == row("moved/b", sha256="1" * 64)
    assert opened.known("a", "2" * 64) is None


def test_a_file_s_own_problem_is_known_and_the_machine_s_is_not(path: Path) -> None:
    opened = Journal(path, SAME)
    broken = row("a", sha256="1" * 64).failed("unreadable_image", "Broken.")
    opened.add(broken)
    opened.add(row("b", sha256="2" * 64).failed("short_of_resources", "MemoryError."))
    assert opened.known("a", "1" * 64) == broken
    assert opened.known("b", "2" * 64) is None
    assert [one.path for one in opened.rows()] == ["a", "b"]
    opened.close()
    assert list(Journal(path, SAME).rows()) == []


def test_what_is_gone_since_an_earlier_run_is_in_no_table(path: Path) -> None:
    first = Journal(path, SAME)
    first.add(row("gone", sha256="1" * 64))
    first.close()
    second = Journal(path, SAME)
    second.add(row("here", sha256="2" * 64))
    assert [one.path for one in second.rows()] == ["here"]


def test_another_model_goes_on_with_nothing(path: Path) -> None:
    Journal(path, SAME).close()
    with pytest.raises(ArchiveError, match="was begun with another model: remove it"):
        Journal(path, {"model": "b"})
    Journal(path, SAME).close()


def _text(path: Path) -> None:
    path.write_text("no database, " * 100)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(_text, "not a database"), (Path.mkdir, "unable to open")],
    ids=["text", "folder"],
)
def test_what_is_no_journal_is_told(path: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(path)
    with pytest.raises(ArchiveError, match=said):
        Journal(path, SAME)


def test_two_processes_do_not_write_one_table(path: Path) -> None:
    opened = Journal(path, SAME)
    script = (
        "import sys, pathlib; from app.archive.journal import Journal; "
        "Journal(pathlib.Path(sys.argv[1]), {'model': 'a'})"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=False
    )
    assert f"Another process writes {path}." in other.stderr
    opened.close()


def test_a_second_s_rows_are_on_the_disk_without_an_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_SECONDS_BETWEEN_COMMITS", 0)
    script = (
        "import os, sys, pathlib; from app.archive import journal; "
        "from tests.app.archive.rows import row; journal._SECONDS_BETWEEN_COMMITS = 0; "
        "opened = journal.Journal(pathlib.Path(sys.argv[1]), {'model': 'a'}); "
        "opened.add(row('a', sha256='1' * 64)); os._exit(9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert ended.returncode == 9
    assert Journal(path, SAME).known("a", "1" * 64) == row("a", sha256="1" * 64)
