"""What the model's raw answers mean, fitted on the calibration patients, and how far it is off."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from app.reading import lungs
from model_store.manifest import Conformal, LungCriteria, OperatingPoint, Scaling

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Strings = npt.NDArray[np.str_]
COVERAGE = 0.95
_EVEN = 0.5
NOVELTY_QUANTILE = 0.99
# One real chest X-ray in so many may be taken for none.
_LUNGS_QUANTILE = 0.002
BINS = 10
_LOG_TEMPERATURES = np.log(0.05), np.log(20)
_BIASES = -20, 20


def scaling(logits: Floats, labels: Floats, weights: Floats) -> Scaling:
    """The scaling of least cross-entropy: Platt 1999, "Probabilistic outputs for SVMs".

    Its bias takes back what weighting the labels did to the log-odds, which a temperature alone
    cannot. Logits that separate the labels completely would be scaled without end, hence bounds.
    Platt's softened targets would do as well, but measured worse on held-out X-rays.

    Args:
        logits: `[N]`.
        labels: `[N]` of 0 and 1.
        weights: `[N]`, how much each image counts; they say for which share of pneumonia the
            probabilities are calibrated.
    """

    def loss(parameters: Floats) -> float:
        scaled = logits / np.exp(parameters[0]) + parameters[1]
        return float(np.mean(weights * (np.logaddexp(0, scaled) - labels * scaled)))

    found = minimize(loss, (0.0, 0.0), bounds=(_LOG_TEMPERATURES, _BIASES))
    log_temperature, bias = found.x
    return Scaling(temperature=float(np.exp(log_temperature)), bias=float(bias))


def log_odds(logits: Floats, scaling: Scaling) -> Floats:
    """Calibrated log-odds of PNEUMONIA, of the shape of `logits`."""
    return logits / scaling.temperature + scaling.bias


def probability(logits: Floats, scaling: Scaling) -> Floats:
    """Calibrated P(PNEUMONIA), of the shape of `logits`."""
    scaled: Floats = expit(log_odds(logits, scaling))
    return scaled


def operating_point(probabilities: Floats, labels: Floats) -> OperatingPoint:
    """Call an image what it is likelier to be.

    By theory the Youden index is highest there, for probabilities that are calibrated for both
    labels alike. Where it is highest on a few hundred images hangs on a few of them.

    Args:
        probabilities: `[N]`, calibrated for as much PNEUMONIA as NORMAL.
        labels: `[N]` of 0 and 1.
    """
    called = probabilities >= _EVEN
    return OperatingPoint(
        threshold=_EVEN,
        chosen_for="the likelier label, where both are equally frequent",
        sensitivity=float(called[labels == 1].mean()),
        specificity=float((~called[labels == 0]).mean()),
    )


def conformal(probabilities: Floats, labels: Floats, sets: Strings) -> Conformal:
    """Class-conditional quantiles of 1 - P(label) at 95 % coverage (Vovk 2012).

    Of each label the largest quantile of any set, so that each set is covered.

    Args:
        probabilities: `[N]`.
        labels: `[N]` of 0 and 1.
        sets: where each image comes from, `[N]`; each set has both labels.
    """
    normal, pneumonia = (
        max(_quantile(scores[(labels == label) & (sets == name)]) for name in np.unique(sets))
        for label, scores in ((0, probabilities), (1, 1 - probabilities))
    )
    return Conformal(coverage=COVERAGE, normal_quantile=normal, pneumonia_quantile=pneumonia)


def lung_criteria(maps: npt.NDArray[np.float32]) -> LungCriteria:
    """What nearly all of the maps `[N, h, w]` of real chest X-rays exceed."""
    measured = np.array([lungs.measure(one) for one in maps])
    share, certainty = np.quantile(measured, _LUNGS_QUANTILE, axis=0)
    return LungCriteria(least_share=float(share), least_certainty=float(certainty))


def novelty_limit(novelties: Sequence[float] | Floats) -> float:
    """The novelty that 99 % of the calibration patients' images do not exceed."""
    return float(np.quantile(novelties, NOVELTY_QUANTILE))


def bins(probabilities: Floats) -> Integers:
    """The one of ten bins of equal width, [0, 0.1) to [0.9, 1], that holds each probability."""
    return np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)


def expected_error(probabilities: Floats, labels: Floats | Integers, weights: Floats) -> Floats:
    """The expected calibration error (ECE) for each row of `weights`: `[R]`.

    Over ten bins of equal width, the mean distance, weighted by the images of a bin, between its
    mean P(PNEUMONIA) and its share of PNEUMONIA. So Naeini 2015 (PMC4410090) defines it for two
    labels; Guo 2017 (arXiv:1706.04599) bins the probability of the predicted label instead, and
    compares it with the accuracy.

    Args:
        probabilities: `[N]`.
        labels: `[N]` of 0 and 1.
        weights: `[R, N]`, how often each image counts.
    """
    gaps = np.eye(BINS)[bins(probabilities)] * (probabilities - labels)[:, np.newaxis]
    errors: Floats = np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
    return errors


def _quantile(scores: Floats) -> float:
    """The ceil((n + 1) * coverage)-th smallest score, or 1 where there are too few.

    It is laid halfway to the next score, if any, so that rounding in an engine excludes no image.
    """
    rank = int(np.ceil((len(scores) + 1) * COVERAGE))
    return 1.0 if rank > len(scores) else float(np.sort(scores)[rank - 1 : rank + 1].mean())
