"""Versions of a model, made of bytes that only their manifest knows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
from model_store.store import sha256

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index"}


def manifest(**changes: Any) -> Manifest:
    """A valid manifest of `pneumonia/1`, save for what is changed."""
    fields: dict[str, Any] = {
        "name": "pneumonia",
        "version": 1,
        "created": datetime(2026, 1, 1, tzinfo=UTC),
        "calibration": Calibration(
            images=10,
            patients=5,
            scaling=Scaling(temperature=1.5, bias=0.5),
            operating_point=OperatingPoint(
                threshold=0.4, chosen_for="tests", sensitivity=0.9, specificity=0.8
            ),
            conformal=Conformal(coverage=0.9, normal_quantile=0.6, pneumonia_quantile=0.7),
            lungs=LungCriteria(least_share=0.1, least_certainty=0.7),
            novelty_limit=2.0,
        ),
        "provenance": Provenance(
            backbone="Tiny", command="pytest", seed=0, images={}, versions={}, float16_error=0.001
        ),
        "files": {},
    }
    return Manifest(**(fields | changes))


def write(root: Path, name: str = "pneumonia", version: int = 1, **changes: Any) -> Path:
    """Write a version whose files match its manifest, save for what is changed there."""
    path = root / name / str(version)
    for file, content in FILES.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(content)
    digests = {file: sha256(path / file) for file in FILES}
    told = manifest(**({"name": name, "version": version, "files": digests} | changes))
    (path / FILE_NAME).write_text(told.model_dump_json())
    return path
