"""Find a model version in the store, and check that its files are those of its manifest."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from model_store.manifest import FILE_NAME, Manifest

DEFAULT_ROOT = Path(__file__).parent
DEFAULT_NAME = "pneumonia"

# Beside the versions: the number of the one in use.
IN_USE = "in-use"

_VERSION = re.compile("[1-9][0-9]*")


class ModelError(Exception):
    """A model that cannot be served; the message is one sentence that says why."""


@dataclass(frozen=True)
class ModelVersion:
    """A version whose files were verified."""

    path: Path
    manifest: Manifest


def versions(root: Path = DEFAULT_ROOT, name: str = DEFAULT_NAME) -> list[int]:
    """The version numbers of the model `name`, ascending; empty where there is none."""
    folder = root / name
    if not folder.is_dir():
        return []
    return sorted(
        int(path.name)
        for path in folder.iterdir()
        if path.is_dir() and _VERSION.fullmatch(path.name)
    )


def use(root: Path, name: str, version: int) -> None:
    """Have a version in use, whichever is the newest.

    Raises:
        ModelError: the store cannot be written.
    """
    file = root / name / IN_USE
    written = file.with_name(f".{IN_USE}")
    try:
        written.write_text(f"{version}\n")
        # Nobody reads a half of it.
        written.replace(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be written: {error.strerror}.") from error


def resolve(
    root: Path = DEFAULT_ROOT, name: str = DEFAULT_NAME, version: int | None = None
) -> ModelVersion:
    """Open a version and verify every file in it.

    Args:
        root: the store.
        name: of the model.
        version: by default the one in use, or the newest where none is named as that.

    Raises:
        ModelError: no such version, an invalid manifest, files that do not match it or that it does
            not name, or none of it can be read.
    """
    try:
        return _resolve(root, name, version)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelError(f"The model store {root} cannot be read: {reason}.") from error


def _resolve(root: Path, name: str, version: int | None) -> ModelVersion:
    found = versions(root, name)
    if not found:
        raise ModelError(
            f"There is no model {name!r} in the model store {root}: PNEUMOSCOPE_MODEL_STORE names "
            "another one, and `pneumoscope model install` puts a model there."
        )
    if version is None:
        version = _in_use(root / name) or found[-1]
    if version not in found:
        raise ModelError(f"The model {name!r} has no version {version} in {root}; it has {found}.")
    path = root / name / str(version)
    manifest = read_manifest(path / FILE_NAME)
    if (manifest.name, manifest.version) != (name, version):
        raise ModelError(
            f"The manifest of {path} is that of {manifest.name!r} version {manifest.version}."
        )
    _verify(path, manifest)
    return ModelVersion(path, manifest)


def _in_use(folder: Path) -> int | None:
    file = folder / IN_USE
    if not file.exists():
        return None
    text = file.read_text("ascii", "replace").strip()
    if not _VERSION.fullmatch(text):
        raise ModelError(f"The file {file} holds no number of a version.")
    return int(text)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(folder: Path) -> list[str]:
    """The paths of the files under a folder, relative to it; a link to a folder counts as one."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return [path.relative_to(folder).as_posix() for path in found]


def read_manifest(path: Path) -> Manifest:
    """Read a `model.json`.

    Raises:
        ModelError: it is missing, or not what a manifest is.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"The manifest {path} is missing.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise ModelError(f"The manifest {path} is invalid at {where}: {first['msg']}.") from None


def _verify(path: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise ModelError(f"The model file {file} is missing.")
        if sha256(file) != expected:
            raise ModelError(f"The model file {file} does not match the SHA-256 in its manifest.")
    if "saved_model.pb" not in manifest.files:
        raise ModelError(f"The manifest of {path} names no saved_model.pb.")
    for found in sorted(files(path)):
        if found not in manifest.files and found != FILE_NAME:
            raise ModelError(f"The manifest of {path} does not name its file {found}.")
