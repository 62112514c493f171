"""Which image corrects another one, also after a restart."""

import logging
import sqlite3
from pathlib import Path

import pytest

from app.pacs.node.answered import Answered


def test_an_image_of_another_file_is_corrected(tmp_path: Path) -> None:
    path = tmp_path / "answered.sqlite"
    assert not Answered(path).corrects("1.2.3", "a")
    Answered(path).note("1.2.3", "a")
    assert not Answered(path).corrects("1.2.3", "a")
    assert Answered(path).corrects("1.2.3", "b")
    assert not Answered(path).corrects("1.2.4", "b")
    Answered(path).note("1.2.3", "b")
    assert not Answered(path).corrects("1.2.3", "b")
    assert Answered(path).corrects("1.2.3", "a")


def test_it_forgets_what_was_answered_long_ago(tmp_path: Path) -> None:
    answered = Answered(tmp_path / "answered.sqlite", kept=3)
    for image in ("1.1", "1.2", "1.3", "1.2", "1.4"):
        answered.note(image, "a")
    known = [answered.corrects(image, "b") for image in ("1.1", "1.2", "1.3", "1.4")]
    assert known == [False, True, True, True]
    with sqlite3.connect(tmp_path / "answered.sqlite") as database:
        assert database.execute("SELECT count(*) FROM latest").fetchone() == (3,)


def test_it_tells_nothing_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / "answered.sqlite"
    Answered(path).note("1.2.777777", "a")
    assert b"777777" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"no database" * 1000])
def test_without_it_nothing_is_a_correction(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "answered.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        Answered(path).note("1.2.3", "a")
        assert not Answered(path).corrects("1.2.3", "b")
    assert len(caplog.records) == 2
