"""Answers of a site's archive, drawn at random, and their labels."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.archive.row import Row

DIGEST = "d" * 64
THRESHOLD = 0.5


def row(number: int, probability: float, **changes: object) -> Row:
    """The answer to the file `/data/NUMBER/xray.png`."""
    fields: dict[str, object] = {
        "path": f"/data/{number}/xray.png",
        "sha256": f"{number:064x}",
        "sop_instance_uid": f"1.2.{number}",
        "format": "PNG",
        "label": "PNEUMONIA" if probability >= THRESHOLD else "NORMAL",
        "probability": probability,
        "threshold": THRESHOLD,
        "prediction_set": ("PNEUMONIA",) if probability >= THRESHOLD else ("NORMAL",),
        "review": False,
        "lungs_found": True,
        "lungs_share": 0.3,
        "novelty": 0.55,
        "brightness": 0.45,
        "model": "pneumonia",
        "model_version": 5,
        "model_digest": DIGEST,
    }
    return Row(**(fields | changes))  # type: ignore[arg-type]


def drawn(count: int, seed: int = 0) -> tuple[list[Row], list[str]]:
    """Answers of which nine in ten are right, and the labels: the first half is NORMAL."""
    random = np.random.default_rng(seed)
    labels = ["NORMAL"] * (count // 2) + ["PNEUMONIA"] * (count - count // 2)
    log_odds = random.normal([-2.56 if label == "NORMAL" else 2.56 for label in labels], 2)
    scores = 1 / (1 + np.exp(-log_odds))
    # As an engine gives them.
    rounded = scores.astype(np.float32).tolist()
    return [row(number, score) for number, score in enumerate(rounded)], labels


def write(path: Path, lines: Sequence[dict[str, str]], separator: str = ",") -> Path:
    """Write a table of labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]), delimiter=separator)
        table.writeheader()
        table.writerows(lines)
    return path
