"""Rows that no model gave."""

from typing import Any

from app.archive.row import Row


def row(path: str = "a.png", **changes: Any) -> Row:
    """A row of an answer, save for what is changed."""
    fields: dict[str, Any] = {
        "sha256": "0" * 64,
        "format": "PNG",
        "width": 640,
        "height": 480,
        "label": "PNEUMONIA",
        "probability": 0.875,
        "threshold": 0.5,
        "prediction_set": ("NORMAL", "PNEUMONIA"),
        "review": True,
        "reasons": ("both_labels_possible",),
        "lungs_found": True,
        "lungs_left": 0.125,
        "lungs_cut_off": False,
        "lungs_share": 0.25,
        "novelty": 0.75,
        "view": "PA",
        "age_group": "65+",
        "model": "pneumonia",
        "model_version": 3,
        "seconds": 0.25,
    }
    return Row(path=path, **(fields | changes))
