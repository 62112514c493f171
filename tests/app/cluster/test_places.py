"""Files in folders, and in what a URI names."""

from pathlib import Path

import pytest

from app.cluster import places
from app.cluster.places import Place
from app.errors import ArchiveError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/er/b.dcm", ".hidden.png", ".git/c.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_all_files_but_hidden_ones_are_found(folder: Path) -> None:
    found = list(places.under([str(folder)]))
    assert sorted(file.name for file in found) == [
        str(folder / "a.png"),
        str(folder / "deep/er/b.dcm"),
    ]
    assert {places.read(file, 100) for file in found} == {b"a.png", b"deep/er/b.dcm"}


def test_a_file_may_be_given_itself(folder: Path) -> None:
    (file,) = places.under([str(folder / "a.png")])
    assert places.read(file, 100) == b"a.png"


def test_a_uri_names_a_file_system(folder: Path) -> None:
    found = list(places.under([folder.as_uri()]))
    assert {file.name for file in found} == {
        (folder / "a.png").as_uri(),
        (folder / "deep/er/b.dcm").as_uri(),
    }
    assert {places.read(file, 100) for file in found} == {b"a.png", b"deep/er/b.dcm"}


def test_a_name_has_nothing_of_the_connection() -> None:
    place = Place("s3://key:secret@bucket/xrays?region=eu-west-1", "bucket/xrays/a.png")
    assert place.name == "s3://bucket/xrays/a.png"


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    (file,) = places.under([str(folder / "a.png")])
    assert places.read(file, 4) is None


def test_a_file_that_is_gone_is_an_error_of_the_system(folder: Path) -> None:
    (file,) = places.under([str(folder / "a.png")])
    (folder / "a.png").unlink()
    with pytest.raises(OSError, match=r"a\.png"):
        places.read(file, 100)


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "gopher://key:secret@host/x"])
def test_what_cannot_be_listed_is_told_without_its_credentials(folder: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        list(places.under([folder]))
    assert "cannot be listed" in str(caught.value)
    assert "secret" not in str(caught.value)
