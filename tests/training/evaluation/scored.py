"""Scored images without pixels, and what their scores mean."""

from typing import Any

import numpy as np

from model_store.manifest import Calibration, Conformal
from tests.model_store import made


def calibration(
    threshold: float = 0.5, normal_quantile: float = 0.48, pneumonia_quantile: float = 0.48
) -> Calibration:
    """By default the prediction set is one label up to 0.48 and from 0.52 on, and both between."""
    told = made.manifest().calibration
    conformal = Conformal(
        coverage=0.9, normal_quantile=normal_quantile, pneumonia_quantile=pneumonia_quantile
    )
    return told.model_copy(
        update={
            "operating_point": told.operating_point.model_copy(update={"threshold": threshold}),
            "conformal": conformal,
        }
    )


def overlapping(count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Probabilities with ties, labels that they partly tell, and a patient for each image."""
    random = np.random.default_rng(3)
    labels = np.arange(count) % 2
    probabilities = np.round(random.beta(2, 2, count) * 0.6 + 0.4 * labels, 2)
    return probabilities, labels, [f"patient {i}" for i in range(count)]


def pairs(estimates: Any, intervals: Any, where: str = "") -> list[tuple[str, float, list[float]]]:
    """Each number with its interval, from the same place of two nested structures."""
    if isinstance(estimates, dict):
        assert estimates.keys() == intervals.keys(), where
        items = [(key, estimates[key], intervals[key]) for key in estimates]
    elif isinstance(estimates, list):
        assert len(estimates) == len(intervals), where
        items = [(str(i), *pair) for i, pair in enumerate(zip(estimates, intervals, strict=True))]
    else:
        return [(where, estimates, intervals)]
    return [found for key, a, b in items for found in pairs(a, b, f"{where}/{key}")]
