"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from app.host.files import write_whole
from tests.app.full_disk import full_disk


def test_a_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"before", b"after"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with full_disk(10), pytest.raises(OSError, match="File too large"):
        write_whole(path, bytes(20))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
