import json
import shutil
from errno import EACCES
from pathlib import Path
from typing import Any

import pytest

from model_store.manifest import FILE_NAME
from model_store.store import IN_USE, ModelError, resolve, sha256, use, versions
from tests.model_store.made import FILES, write


def refusal(root: Path, version: int | None = None) -> str:
    """The one sentence with which a version of `pneumonia` is refused."""
    with pytest.raises(ModelError) as refused:
        resolve(root, version=version)
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert not message.endswith("..")
    return message.replace(str(root), "ROOT")


def amended(path: Path, **changes: Any) -> None:
    """Change fields of a written manifest, valid or not."""
    file = path / FILE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_versions_ascend_by_number(tmp_path: Path) -> None:
    for version in (10, 9, 2):
        write(tmp_path, version=version)
    assert versions(tmp_path) == [2, 9, 10]


@pytest.mark.parametrize(
    "name", [".3-tmp", "3.tmp", "v3", "latest", "-3", "+3", "0", "03", "3_0", " 3", "٣", "³"]
)
def test_what_is_no_version(name: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    shutil.copytree(path, path.with_name(name))
    assert versions(tmp_path) == [1]
    assert resolve(tmp_path).path == path


def test_the_version_in_use_comes_before_the_newest(tmp_path: Path) -> None:
    old, new = (write(tmp_path, version=version) for version in (2, 10))
    use(tmp_path, "pneumonia", 2)
    assert resolve(tmp_path).path == old
    assert resolve(tmp_path, version=10).path == new
    use(tmp_path, "pneumonia", 10)
    assert [path.name for path in sorted(new.parent.iterdir())] == ["10", "2", IN_USE]
    assert resolve(tmp_path).path == new


@pytest.mark.parametrize("text", ["", "newest", "02", "1\n2", "é"])
def test_what_is_in_use_is_a_number(text: str, tmp_path: Path) -> None:
    file = write(tmp_path).with_name(IN_USE)
    file.write_text(text)
    assert refusal(tmp_path) == "The file ROOT/pneumonia/in-use holds no number of a version."


def test_what_is_in_use_is_there(tmp_path: Path) -> None:
    write(tmp_path)
    use(tmp_path, "pneumonia", 3)
    assert refusal(tmp_path) == "The model 'pneumonia' has no version 3 in ROOT; it has [1]."
    with pytest.raises(ModelError, match="cannot be written: No such file"):
        use(tmp_path, "other", 1)


def test_a_file_is_no_version(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_name("2").touch()
    assert versions(tmp_path) == [1]


def test_no_model(tmp_path: Path) -> None:
    assert versions(tmp_path / "nowhere") == versions(tmp_path) == []
    told = "There is no model 'pneumonia' in the model store ROOT: PNEUMOSCOPE_MODEL_STORE names"
    assert refusal(tmp_path).startswith(told)


@pytest.mark.parametrize(("asked", "given"), [(None, 10), (10, 10), (2, 2)])
def test_resolve(asked: int | None, given: int, tmp_path: Path) -> None:
    for version in (10, 2):
        write(tmp_path, version=version)
    model = resolve(tmp_path, version=asked)
    assert model.path == tmp_path / "pneumonia" / str(given)
    assert model.manifest.version == given


def test_models_are_told_apart_by_name(tmp_path: Path) -> None:
    for name in ("pneumonia", "tb"):
        write(tmp_path, name)
    assert resolve(tmp_path, "tb").manifest.name == "tb"


def test_an_unknown_version(tmp_path: Path) -> None:
    for version in (1, 2):
        write(tmp_path, version=version)
    told = "The model 'pneumonia' has no version 3 in ROOT; it has [1, 2]."
    assert refusal(tmp_path, 3) == told


def test_no_manifest(tmp_path: Path) -> None:
    (write(tmp_path) / FILE_NAME).unlink()
    assert refusal(tmp_path) == "The manifest ROOT/pneumonia/1/model.json is missing."


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_manifest_that_is_none(content: bytes, tmp_path: Path) -> None:
    (write(tmp_path) / FILE_NAME).write_bytes(content)
    told = "The manifest ROOT/pneumonia/1/model.json is invalid at JSON: "
    assert refusal(tmp_path).startswith(told)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"version": 0}, "version"),
        ({"labels": ["PNEUMONIA", "NORMAL"]}, "labels.0"),
        ({"created": "yesterday"}, "created"),
        ({"calibration": {}}, "calibration.images"),
        ({"files": {"saved_model.pb": "abc"}}, "files.saved_model.pb"),
        ({"secret": 1}, "secret"),
    ],
)
def test_an_invalid_manifest(changes: dict[str, Any], where: str, tmp_path: Path) -> None:
    amended(write(tmp_path), **changes)
    told = f"The manifest ROOT/pneumonia/1/model.json is invalid at {where}: "
    assert refusal(tmp_path).startswith(told)


@pytest.mark.parametrize("changes", [{"name": "tb"}, {"version": 2}])
def test_the_manifest_of_another_version(changes: dict[str, Any], tmp_path: Path) -> None:
    amended(write(tmp_path), **changes)
    assert refusal(tmp_path).startswith("The manifest of ROOT/pneumonia/1 is that of '")


@pytest.mark.parametrize("file", FILES)
def test_a_changed_byte(file: str, tmp_path: Path) -> None:
    path = write(tmp_path) / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    told = f"The model file ROOT/pneumonia/1/{file} does not match the SHA-256 in its manifest."
    assert refusal(tmp_path) == told


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file(file: str, tmp_path: Path) -> None:
    (write(tmp_path) / file).unlink()
    assert refusal(tmp_path) == f"The model file ROOT/pneumonia/1/{file} is missing."


def test_a_manifest_that_names_no_graph(tmp_path: Path) -> None:
    write(tmp_path, files={})
    assert refusal(tmp_path) == "The manifest of ROOT/pneumonia/1 names no saved_model.pb."


@pytest.mark.parametrize(
    "file", ["../secret", "variables/../../secret", "{root}/secret", "..", "variables/../x", ""]
)
def test_a_path_that_leaves_the_folder(file: str, tmp_path: Path) -> None:
    secret = tmp_path / "pneumonia" / "secret"
    path = write(tmp_path)
    secret.write_bytes(b"secret")
    digests = {name: sha256(path / name) for name in FILES}
    amended(path, files=digests | {file.format(root=secret.parent): sha256(secret)})
    told = "The manifest ROOT/pneumonia/1/model.json is invalid at files."
    assert refusal(tmp_path).startswith(told)


@pytest.mark.parametrize("file", ["MODEL_CARD.md", ".hidden", "variables/more", "new/deep/file"])
def test_a_file_that_the_manifest_does_not_name(file: str, tmp_path: Path) -> None:
    path = write(tmp_path) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    told = f"The manifest of ROOT/pneumonia/1 does not name its file {file}."
    assert refusal(tmp_path) == told


def test_a_link_to_a_folder_hides_no_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (write(tmp_path) / "assets").symlink_to(elsewhere)
    told = "The manifest of ROOT/pneumonia/1 does not name its file assets."
    assert refusal(tmp_path) == told


def test_empty_folders_are_let_be(tmp_path: Path) -> None:
    path = write(tmp_path)
    (path / "assets").mkdir()
    assert resolve(tmp_path).path == path


def test_a_store_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)

    def denied(path: Path) -> Any:
        raise PermissionError(EACCES, "Permission denied", str(path))

    for method in ("is_dir", "iterdir", "read_bytes", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, lambda path, *_, **__: denied(path))
            told = "The model store ROOT cannot be read: Permission denied."
            assert refusal(tmp_path) == told


def test_a_name_that_no_folder_can_have(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be read: File name too long\.$"):
        resolve(tmp_path, "x" * 300)


def test_the_shipped_versions_are_whole() -> None:
    for version in versions():
        assert resolve(version=version).manifest.version == version


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")
