"""Figures of weighted images, for many rows of weights at once.

`weights` is `[R, N]`: how often each of N images counts. With ones a figure is that of the images,
with how often a resample drew each image it is that of the resample.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data import labelled
from training.evaluation import calibrate

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Answered:
    """What was answered to N images, and what they show.

    Attributes:
        truth: `[N]` of 0 and 1, the labels.
        scores: `[N]`, calibrated P(PNEUMONIA).
        called: `[N]` of 0 and 1, the answers.
        sets: `[N, 2]`, whether the prediction set holds NORMAL, and PNEUMONIA.
    """

    truth: Integers
    scores: Floats
    called: Integers
    sets: npt.NDArray[np.bool_]


def areas(weights: Floats, scores: Floats, truth: Integers) -> Floats:
    """ROC AUC and average precision for each row of `weights` `[R, N]`: `[2, R]`.

    What scikit-learn computes with `sample_weight`, for all rows at once: the trapezoids under the
    ROC curve, and the sum of precision times the step in recall, over the distinct scores.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    ordered, positive = weights[:, order], truth[order] == 1
    true, false = (
        np.pad(np.cumsum(ordered * label, axis=1)[:, last_of_score], ((0, 0), (1, 0)))
        for label in (positive, ~positive)
    )
    step = np.diff(true, axis=1)
    beneath = np.diff(false, axis=1) * (true[:, :-1] + step / 2)
    precision = _ratio(true, true + false)[:, 1:]
    positives, negatives = true[:, -1], false[:, -1]
    return np.stack(
        [beneath.sum(1) / (positives * negatives), (step * precision).sum(1) / positives]
    )


def matrices(weights: Floats, truth: Integers, called: Integers) -> Floats:
    """The confusion matrix for each row of `weights` `[R, N]`: `[R, 2, 2]`."""
    cells = np.eye(4)[2 * truth + called]
    return (weights @ cells).reshape(-1, 2, 2)


def reports(matrix: Floats) -> dict[str, Any]:
    """scikit-learn's classification report of `[R, 2, 2]`, with arrays `[R]` for numbers."""
    support, predicted = matrix.sum(2), matrix.sum(1)
    hits = np.diagonal(matrix, axis1=1, axis2=2)
    scores = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "f1-score": _ratio(2 * hits, support + predicted),
    }
    total = support.sum(1)
    by_label = scores | {"support": support}
    weighted = {key: (value * support).sum(1) / total for key, value in scores.items()}
    return {
        **{
            name: {k: v[:, i] for k, v in by_label.items()}
            for i, name in enumerate(labelled.LABELS)
        },
        "accuracy": hits.sum(1) / total,
        "macro avg": {key: value.mean(1) for key, value in scores.items()} | {"support": total},
        "weighted avg": weighted | {"support": total},
    }


def trust(weights: Floats, found: Answered) -> dict[str, Floats]:
    """What probabilities and prediction sets are worth, for each row of `weights` `[R, N]`.

    Returns, `[R]` each:
        `ece`: `calibrate.expected_error`. Its percentile interval lies too high where images are
            few, and may even lie above the estimate, since resampling adds to each bin noise whose
            sign is lost (as sampling does to the estimate: Roelofs 2020, arXiv:2012.08668).
        `brier`: the mean squared error of P(PNEUMONIA), half of what Brier 1950 (Monthly Weather
            Review 78(1):1) sums over both labels.
        `coverage_normal`, `coverage_pneumonia`: the share of a label's images whose prediction set
            holds it.
        `read_by_a_person`: the share of images whose prediction set is not exactly one label.
    """
    normal, pneumonia = found.truth == 0, found.truth == 1
    return {
        "ece": calibrate.expected_error(found.scores, found.truth, weights),
        "brier": _mean((found.scores - found.truth) ** 2, weights),
        "coverage_normal": _mean(found.sets[:, 0], weights * normal),
        "coverage_pneumonia": _mean(found.sets[:, 1], weights * pneumonia),
        "read_by_a_person": _mean(found.sets.sum(axis=1) != 1, weights),
    }


def _mean(values: Floats | npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """The mean of `[N]` for each row of `weights` `[R, N]`: `[R]`."""
    means: Floats = weights @ values / weights.sum(axis=1)
    return means


def _ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, and 0 where there is nothing to divide."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
