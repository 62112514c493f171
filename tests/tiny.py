"""A model version that keeps the contract, kept in `tests/tiny_model`: for whatever serves a model.

`tests.tiny_network` is its network. It needs no TensorFlow to be served on OpenVINO.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.imaging.decode import MODEL_SIDE, to_model_input
from model_store.manifest import (
    FILE_NAME,
    Calibration,
    Conformal,
    LungCriteria,
    Manifest,
    OperatingPoint,
    Provenance,
    Scaling,
)
from model_store.store import files, sha256
from tests import synthetic
from training.export import openvino_ir

KEPT = Path(__file__).parent / "tiny_model"
FITTED_TO = 64
# What 8 bits and bfloat16 may move an answer by.
LOOSE = 0.1


def drawn(count: int, first_seed: int = 0) -> npt.NDArray[np.uint8]:
    """Drawn chests as the model takes them, uint8 `[count, 224, 224, 1]`; odd seeds are ill."""
    seeds = range(first_seed, first_seed + count)
    size = MODEL_SIDE, MODEL_SIDE
    chests = [synthetic.chest(seed, pneumonia=bool(seed % 2), size=size) for seed in seeds]
    return np.stack([to_model_input(chest) for chest in chests])


def install(root: Path) -> Path:
    """Put the version into `root/pneumonia/1`, with OpenVINO's graph where the CPU can write it."""
    folder = root / "pneumonia" / "1"
    shutil.copytree(KEPT, folder)
    if openvino_ir.write(folder, drawn(FITTED_TO)):
        write_manifest(folder)
    return folder


def write_manifest(folder: Path) -> None:
    """Write the manifest of the files that are there."""
    named = sorted(name for name in files(folder) if name != FILE_NAME)
    manifest = Manifest(
        name="pneumonia",
        version=1,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        calibration=Calibration(
            images=FITTED_TO,
            patients=FITTED_TO,
            scaling=Scaling(temperature=1, bias=0),
            operating_point=OperatingPoint(
                threshold=0.2, chosen_for="tests", sensitivity=1, specificity=1
            ),
            conformal=Conformal(coverage=0.9, normal_quantile=0.1, pneumonia_quantile=0.8),
            lungs=LungCriteria(least_share=0.05, least_certainty=0.6),
            novelty_limit=2,
        ),
        provenance=Provenance(
            backbone="Tiny", command="pytest", seed=0, images={}, versions={}, float16_error=0
        ),
        files={name: sha256(folder / name) for name in named},
    )
    (folder / FILE_NAME).write_text(manifest.model_dump_json(indent=2) + "\n")
