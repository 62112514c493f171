"""What a line of the record says of a reading: no pixel, and nothing that names a patient."""

from typing import Any

from app.reading.model import Model
from app.reading.reading import Reading


def of_reading(reading: Reading) -> dict[str, Any]:
    """What was answered to an image."""
    answer = {
        "label": reading.label,
        "probability": reading.probability,
        "threshold": reading.threshold,
        "prediction_set": reading.prediction_set,
        "review": reading.review,
        "reasons": reading.reasons,
    }
    return _of_input(reading.radiograph.sha256, reading.model) | {"answer": answer}


def of_problem(sha256: str, code: str, model: Model) -> dict[str, Any]:
    """That an image got no answer, and why.

    Args:
        sha256: of the image's file.
        code: of the problem.
        model: which one would have answered.
    """
    return _of_input(sha256, model) | {"problem": code}


def _of_input(sha256: str, model: Model) -> dict[str, Any]:
    return {
        "input": {"sha256": sha256},
        "model": {"name": model.name, "version": model.version, "digest": model.digest},
        "profile": model.profile_digest,
    }
