import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.archive.files import check, under

NOBODY = 65534


def _names(folder: Path, *left_out: Path) -> list[str]:
    return sorted(os.path.relpath(found.path, folder) for found in under([folder], left_out))


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_are_found_however_deep_they_lie(tmp_path: Path) -> None:
    _touch(tmp_path / "a.png", tmp_path / "b" / "c" / "d", tmp_path / "b" / "e.dcm")
    assert _names(tmp_path) == ["a.png", "b/c/d", "b/e.dcm"]


def test_what_is_hidden_and_what_is_written_is_left_out(tmp_path: Path) -> None:
    _touch(tmp_path / ".DS_Store", tmp_path / ".cache" / "x", tmp_path / "a")
    _touch(tmp_path / "out.csv", tmp_path / "overlays" / "y.png")
    assert _names(tmp_path, tmp_path / "out.csv", tmp_path / "overlays") == ["a"]


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    archive, elsewhere = tmp_path / "archive", tmp_path / "elsewhere"
    _touch(archive / "a" / "b", elsewhere / "c")
    (archive / "a" / "up").symlink_to(archive)
    (archive / "there").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(archive / "there")
    (archive / "broken").symlink_to(tmp_path / "none")
    (archive / "a" / "itself").symlink_to("itself")
    assert _names(archive) == ["a/b", "a/itself", "broken", "there/c"]


def test_a_file_stands_for_itself(tmp_path: Path) -> None:
    _touch(tmp_path / "a", tmp_path / "b")
    found = list(under([tmp_path / "a", tmp_path]))
    assert sorted(path for path, _ in found) == sorted(
        map(str, (tmp_path / "a", tmp_path / "a", tmp_path / "b"))
    )


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    _touch(tmp_path / "a")
    check(str(tmp_path))
    check(str(tmp_path / "a"))
    with pytest.raises(FileNotFoundError):
        check(str(tmp_path / "b"))


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that all may list, while this process has no more rights than anybody."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_read(nobody: Path) -> None:
    _touch(nobody / "open" / "a", nobody / "closed" / "b")
    (nobody / "closed").chmod(0)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    with pytest.raises(PermissionError):
        check(str(nobody / "closed"))
    found = {Path(path).name: error for path, error in under([nobody])}
    if os.getuid() == 0:
        os.seteuid(0)
    (nobody / "closed").chmod(0o755)
    assert set(found) == {"a", "closed"}
    assert isinstance(found["closed"], PermissionError)
    assert found["a"] is None
