"""How sure a figure is: a bootstrap that draws patients, not images.

One patient often has several images, which resemble each other, and intervals from drawing images
would be too narrow (Rutter 2000, Academic Radiology 7(6):413, on patient-clustered accuracy; Field
and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x, on drawing clusters). Patients are drawn
within strata: those with NORMAL images only, with PNEUMONIA images only, and with both. So every
resample has both labels and the data's case mix, as in pROC (Robin 2011,
doi:10.1186/1471-2105-12-77); the intervals do not cover a change of case mix.

A percentile interval cannot leave the data: a figure of exactly 1 gets `[1, 1]`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.evaluation import weighted
from training.evaluation.measured import Estimate
from training.evaluation.weighted import Answered, Floats, Integers

COVERAGE = 0.95

_SEED = 0
_RESAMPLES_AT_ONCE = 100


def estimates(
    values: Mapping[str, Any], found: Answered, patients: Sequence[str], resamples: int
) -> dict[str, Any]:
    """Figures with the 95 % percentile interval of each.

    Args:
        values: by name, those of `measured.Performance` or some of them; numbers may be nested in
            dicts and lists, and an `Estimate` takes the place of each.
        found: answers and labels, images of both.
        patients: whose image each is, N.
        resamples: of the bootstrap, which is seeded: the same input gives the same intervals.
    """
    drawn = [_figures(weights, found) for weights in _draws(patients, found.truth, resamples)]
    together = {key: np.concatenate([part[key] for part in drawn]) for key in drawn[0]}
    report = weighted.reports(together["confusion_matrix"])
    resampled = {
        "accuracy": report["accuracy"],
        "sensitivity": report["PNEUMONIA"]["recall"],
        "specificity": report["NORMAL"]["recall"],
        **together,
        "classification_report": report,
    }
    return _estimates(values, resampled)


def mean(
    values: Floats | npt.NDArray[np.bool_], patients: Sequence[str], resamples: int
) -> Estimate:
    """The mean of `[N]` with its 95 % percentile interval; no labels are needed."""
    alike = np.zeros(len(values), np.int64)
    means = [
        weights @ values / weights.sum(axis=1) for weights in _draws(patients, alike, resamples)
    ]
    return _estimates(float(values.mean()), np.concatenate(means))


def _figures(weights: Floats, found: Answered) -> dict[str, Floats]:
    """Every figure but the classification report, which follows from the confusion matrix."""
    roc_auc, pr_auc = weighted.areas(weights, found.scores, found.truth)
    return {
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        **weighted.trust(weights, found),
        "confusion_matrix": weighted.matrices(weights, found.truth, found.called),
    }


def _draws(patients: Sequence[str], truth: Integers, resamples: int) -> Iterator[Floats]:
    """How often each image is drawn, `[at most 100, N]` at a time."""
    random = np.random.default_rng(_SEED)
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    has_label = np.stack([np.bincount(owner, truth == label) > 0 for label in (0, 1)])
    stratum = has_label[0] + 2 * has_label[1]
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = np.zeros((rows, len(stratum)))
        for value in np.unique(stratum):
            members = np.flatnonzero(stratum == value)
            share = np.full(len(members), 1 / len(members))
            drawn[:, members] = random.multinomial(len(members), share, size=rows)
        yield drawn[:, owner]


def _estimates(value: Any, resampled: Any) -> Any:
    """A number with its interval, by arrays `[R, ...]` that are nested as the numbers are."""
    if isinstance(value, Mapping):
        return {key: _estimates(one, resampled[key]) for key, one in value.items()}
    if isinstance(value, list):
        return [_estimates(one, resampled[:, at]) for at, one in enumerate(value)]
    tails = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(resampled, (tails, 100 - tails)).tolist()
    return Estimate(value, low, high)
