"""Groups of patients and projections that are measured apart, since a mean hides the worst."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.labelled import LABELS, Sample
from training.evaluation import bootstrap, weighted
from training.evaluation.weighted import Answered

Mask = npt.NDArray[np.bool_]

LEAST = 10
"""Images of each label, without which a group's figures would tell nothing."""

RESAMPLES = 2_000

_AGES = ((0, 5), (6, 17), (18, 39), (40, 64))
FIGURES = (
    "roc_auc",
    "pr_auc",
    "sensitivity",
    "specificity",
    "ece",
    "coverage_normal",
    "coverage_pneumonia",
)
"""What is told of each group."""


def masks(samples: Sequence[Sample]) -> dict[str, Mask]:
    """Which samples are in each group, `[N]`, by the group's name.

    `children`, `adults`, `adults AP`, `adults PA`; `women` and `men`, adults too; those of known
    age by completed years, `aged 0-5` to `aged 65+`; and each source, `from kermany` and so on.
    Only the groups that have `LEAST` images of each label. A sample is in several.
    """
    population = np.array([sample.population for sample in samples])
    view = np.array([sample.view for sample in samples])
    sex = np.array([sample.sex for sample in samples])
    source = np.array([sample.source for sample in samples])
    age = np.array([np.nan if s.age is None else s.age for s in samples], np.float64)
    labels = np.array([sample.label for sample in samples])
    adults = population == "adult"
    found = {
        "children": population == "child",
        "adults": adults,
        "adults AP": adults & (view == "AP"),
        "adults PA": adults & (view == "PA"),
        "women": adults & (sex == "F"),
        "men": adults & (sex == "M"),
        **{f"aged {low}-{high}": (age >= low) & (age < high + 1) for low, high in _AGES},
        "aged 65+": age >= 65,
        **{f"from {name}": source == name for name in np.unique(source) if name},
    }
    return {
        name: mask
        for name, mask in found.items()
        if all((labels[mask] == label).sum() >= LEAST for label in range(len(LABELS)))
    }


def measure(
    found: Answered, samples: Sequence[Sample], resamples: int = RESAMPLES
) -> dict[str, dict[str, Any]]:
    """Each group's figures, as plain values that JSON can hold.

    Args:
        found: what was answered to N images.
        samples: the N images; patients are told apart by name, so across sets by those that
            `datasets.find_all` gives.
        resamples: of the bootstrap, which is seeded.

    Returns:
        By the group's name: `n` images, `normal` and `pneumonia` among them, `patients`;
        `roc_auc`, `pr_auc` (average precision), `sensitivity`, `specificity`, `ece`,
        `coverage_normal` and `coverage_pneumonia` (see `weighted.trust`), and `intervals`: these
        seven once more, with `[low, high]` of `bootstrap.intervals` in the place of each number.
    """
    patients = np.array([sample.patient for sample in samples])
    return {
        name: _figures(_part(found, mask), patients[mask].tolist(), resamples)
        for name, mask in masks(samples).items()
    }


def _part(found: Answered, mask: Mask) -> Answered:
    return Answered(found.truth[mask], found.scores[mask], found.called[mask], found.sets[mask])


def _figures(found: Answered, patients: Sequence[str], resamples: int) -> dict[str, Any]:
    once = np.ones((1, len(found.truth)))
    roc_auc, pr_auc = weighted.areas(once, found.scores, found.truth)
    report = weighted.reports(weighted.matrices(once, found.truth, found.called))
    estimates = {
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "sensitivity": report["PNEUMONIA"]["recall"],
        "specificity": report["NORMAL"]["recall"],
        **weighted.trust(once, found),
    }
    intervals = bootstrap.intervals(found, patients, resamples)
    return {
        "n": len(found.truth),
        "normal": int((found.truth == 0).sum()),
        "pneumonia": int((found.truth == 1).sum()),
        "patients": len(set(patients)),
        **{key: float(estimates[key][0]) for key in FIGURES},
        "intervals": {key: intervals[key] for key in FIGURES},
    }
