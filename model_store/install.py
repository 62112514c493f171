"""Put a version into the store, from a folder or an archive: whole and verified, or not at all."""

import shutil
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from model_store.manifest import FILE_NAME
from model_store.store import ModelError, ModelVersion, read_manifest, resolve


def install(source: Path, root: Path) -> ModelVersion:
    """Copy a version into the store `root`.

    Args:
        source: the version's folder, or a tar or ZIP archive that holds one.
        root: the store, which is made where it is not there.

    Returns:
        The version, in the store.

    Raises:
        ModelError: there is no version in `source`, or it is not what its manifest says, or the
            store has it already, or cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".install-", dir=root) as scratch:
            return _install(source, root, Path(scratch))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelError(f"{source} cannot be installed in {root}: {reason}.") from error


def _install(source: Path, root: Path, scratch: Path) -> ModelVersion:
    folder = source if source.is_dir() else _unpacked(source, scratch / "unpacked")
    found = sorted(folder.rglob(FILE_NAME))
    if len(found) != 1:
        raise ModelError(f"{source} holds {len(found)} files {FILE_NAME}; a version has one.")
    manifest = read_manifest(found[0])
    place = Path(manifest.name) / str(manifest.version)
    shutil.copytree(found[0].parent, scratch / "store" / place)
    resolve(scratch / "store", manifest.name, manifest.version)
    target = root / place
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        raise ModelError(f"{target} exists; a version is never overwritten.")
    (scratch / "store" / place).rename(target)
    return ModelVersion(target, manifest)


def _unpacked(archive: Path, folder: Path) -> Path:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)  # noqa: S202  (zipfile stays within the folder)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ModelError(
            f"{archive} is neither a folder nor a whole tar or ZIP archive."
        ) from error
    return folder
