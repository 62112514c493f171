"""Versions of a model, to change between."""

import shutil
from pathlib import Path

from model_store.manifest import FILE_NAME
from model_store.store import read_manifest


def release(root: Path, version: int, threshold: float) -> Path:
    """A copy of version 1 under another number, which says PNEUMONIA from a threshold on.

    Args:
        root: of the model store, which holds `pneumonia/1`.
        version: the number.
        threshold: of the probability.

    Returns:
        The folder of the version.
    """
    folder = root / "pneumonia" / str(version)
    shutil.copytree(root / "pneumonia" / "1", folder)
    manifest = read_manifest(folder / FILE_NAME)
    point = manifest.calibration.operating_point.model_copy(update={"threshold": threshold})
    calibration = manifest.calibration.model_copy(update={"operating_point": point})
    changes = {"version": version, "calibration": calibration}
    (folder / FILE_NAME).write_text(manifest.model_copy(update=changes).to_file())
    return folder
