"""Versions that are put into the store: whole and verified, or not at all."""

import shutil
import tarfile
from pathlib import Path

import pytest

from model_store.install import install
from model_store.store import ModelError, resolve
from tests.model_store import made


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return made.write(tmp_path / "elsewhere", version=3)


def contents(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@pytest.mark.parametrize("kind", ["folder", "zip", "gztar"])
def test_a_version_is_installed(version: Path, kind: str, tmp_path: Path) -> None:
    source = version
    if kind != "folder":
        source = Path(shutil.make_archive(str(tmp_path / "packed"), kind, version.parents[1]))
    store = tmp_path / "new" / "store"

    installed = install(source, store)

    assert installed.path == store / "pneumonia" / "3"
    assert resolve(store) == installed
    assert contents(installed.path) == contents(version)
    assert [path.name for path in store.iterdir()] == ["pneumonia"]


def test_a_version_is_never_overwritten(version: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    install(version, store)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    with pytest.raises(ModelError, match="never overwritten"):
        install(version, store)

    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_a_changed_file_is_refused_and_nothing_stays(version: Path, tmp_path: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"another")

    with pytest.raises(ModelError, match="does not match the SHA-256"):
        install(version, tmp_path / "store")

    assert contents(tmp_path / "store") == []


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(__file__, "../../outside.py")

    with pytest.raises(ModelError, match="neither a folder nor a whole tar"):
        install(archive, tmp_path / "deep" / "store")

    assert not list(tmp_path.rglob("outside.py"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_what_holds_no_version_is_refused(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)

    with pytest.raises(ModelError):
        install(source, tmp_path / "store")

    assert contents(tmp_path / "store") == []


def test_a_store_that_cannot_be_written_is_named(version: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ModelError, match="cannot be installed"):
        install(version, tmp_path / "file" / "store")


@pytest.mark.parametrize("name", ["../out", ".hidden", ""])
def test_a_name_that_is_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    version = made.write(tmp_path / "elsewhere")
    manifest = version / "model.json"
    manifest.write_text(manifest.read_text().replace('"pneumonia"', f'"{name}"'))

    with pytest.raises(ModelError, match="invalid at name"):
        install(version, tmp_path / "store")
