"""A site's acceptance test: what a model's numbers are worth on its own labelled images.

The answers are those of `pneumoscope archive`, so that what is measured is what was read there.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from app.codes import WarningCode
from app.reading.site_profile import SiteProfile, Threshold
from training.data.site import Site
from training.evaluation import bootstrap, calibrate, groups, weighted
from training.evaluation.suitability import Mask
from training.evaluation.weighted import Answered

Floats = npt.NDArray[np.float64]

RESAMPLES = 2_000
# How far a share may lie off its interval's ends before more images are asked for.
HALF_WIDTH = 0.05
_TAIL = 0.975


@dataclass(frozen=True)
class Share:
    """A share of images, with its 95 % interval.

    Attributes:
        count: images of which it is true.
        of: all of them.
        low: of the interval.
        high: likewise.
    """

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.count / self.of

    @property
    def more(self) -> int:
        """Images that are missing for an interval of 0.05 to either side.

        By Agresti and Coull 1998 (doi:10.1080/00031305.1998.10480550): with two more of each kind,
        so that a share of exactly 1 does not pass for certain.
        """
        share = (self.count + 2) / (self.of + 4)
        needed = norm.ppf(_TAIL) ** 2 * share * (1 - share) / HALF_WIDTH**2
        return max(0, math.ceil(needed) - self.of)


@dataclass(frozen=True)
class Group:
    """Patients or projections that are measured apart.

    Attributes:
        share: of all images.
        sensitivity: at the threshold in force.
        specificity: likewise.
        roc_auc: with its interval.
    """

    share: float
    sensitivity: Share
    specificity: Share
    roc_auc: tuple[float, list[float]]


@dataclass(frozen=True)
class Commissioned:
    """What was measured.

    Attributes:
        profile: what the service may go by.
        at: the threshold in force, the model's own.
        sensitivity: at that threshold.
        specificity: likewise.
        coverage: of the model's prediction sets, by label.
        figures: `roc_auc`, `pr_auc`, `ece` and `brier`, each with its interval.
        novel: images unlike those that the model learnt from.
        review: images that the model leaves to a person.
        at_site: sensitivity and specificity at the site's own threshold, where there is one.
        more_for_threshold: images of PNEUMONIA that are missing for that threshold.
        groups: those of enough images, by name.
        problems: labelled images without an answer, by the code of the problem.
        site: what was joined.
    """

    profile: SiteProfile
    at: float
    sensitivity: Share
    specificity: Share
    coverage: Mapping[str, Share]
    figures: Mapping[str, tuple[float, list[float]]]
    novel: Share
    review: Share
    at_site: tuple[Share, Share] | None
    more_for_threshold: int
    groups: Mapping[str, Group]
    problems: Mapping[str, int]
    site: Site


def measure(site: Site, sensitivity: float, prevalence: float | None = None) -> Commissioned:
    """Measure what a model answered to a site's images.

    Args:
        site: the answers, joined to the labels.
        sensitivity: that the site asks for.
        prevalence: the share of PNEUMONIA where the model will be used; if not given, that of the
            labelled images.
    """
    rows = site.answered
    truth = np.array([sample.label for sample in site.samples], np.int64)
    scores = np.array([row.probability for row in rows], np.float64)
    at = rows[0].threshold or 0.0
    sets = [[name in row.prediction_set for name in ("NORMAL", "PNEUMONIA")] for row in rows]
    found = Answered(truth, scores, (scores >= at).astype(np.int64), np.array(sets, np.bool_))
    patients = [sample.patient for sample in site.samples]
    ill, well = truth == 1, truth == 0
    threshold, more = threshold_for(scores[ill], sensitivity)
    profile = SiteProfile(
        model_name=str(rows[0].model),
        model_version=rows[0].model_version or 0,
        model_digest=str(rows[0].model_digest),
        created=datetime.now(UTC).replace(microsecond=0),
        images=len(rows),
        patients=len(set(patients)),
        prevalence=float(truth.mean()) if prevalence is None else prevalence,
        threshold=None
        if threshold is None
        else Threshold(value=threshold, sensitivity=sensitivity),
        conformal=calibrate.conformal(scores, truth.astype(np.float64), np.full(len(rows), "site")),
    )
    novel = [WarningCode.NOT_LIKE_A_CHEST_XRAY in row.warnings for row in rows]
    return Commissioned(
        profile=profile,
        at=at,
        sensitivity=_share(found.called[ill] == 1, _of(patients, ill)),
        specificity=_share(found.called[well] == 0, _of(patients, well)),
        coverage={
            name: _share(found.sets[mask, label], _of(patients, mask))
            for label, (name, mask) in enumerate((("NORMAL", well), ("PNEUMONIA", ill)))
        },
        figures=_figures(found, patients),
        novel=_share(np.array(novel), patients),
        review=_share(np.array([bool(row.review) for row in rows]), patients),
        at_site=None
        if threshold is None
        else (
            _share((scores >= threshold)[ill], _of(patients, ill)),
            _share((scores < threshold)[well], _of(patients, well)),
        ),
        more_for_threshold=more,
        groups={
            name: _group(found, np.array(patients), mask)
            for name, mask in groups.masks_of_site(site.samples).items()
        },
        problems=Counter(str(row.problem) for row in site.failed),
        site=site,
    )


def threshold_for(ill: Floats, sensitivity: float) -> tuple[float | None, int]:
    """The threshold at which a further image of PNEUMONIA is found with that probability at least.

    Of n scores and a further one, each place in their order is as likely for the latter. So the
    k-th smallest score has at most k / (n + 1) of further ones below it (as conformal prediction
    has it: Vovk 2012, doi:10.1007/s10994-013-5355-6).

    Args:
        ill: P(PNEUMONIA) of images that show it, `[n]`.
        sensitivity: that is asked for.

    Returns:
        The threshold, and 0; or None, and how many images are missing.
    """
    rank = math.floor((len(ill) + 1) * (1 - sensitivity) + 1e-9)
    if rank == 0:
        return None, math.ceil(1 / (1 - sensitivity) - 1e-9) - 1 - len(ill)
    return float(np.sort(ill)[rank - 1]), 0


def predictive_values(
    sensitivity: float, specificity: float, prevalence: float
) -> tuple[float, float]:
    """The shares of right answers among those of PNEUMONIA, and among those of NORMAL."""
    ill, well = prevalence, 1 - prevalence
    found, false = sensitivity * ill, (1 - specificity) * well
    missed, right = (1 - sensitivity) * ill, specificity * well
    return (
        found / (found + false) if found + false else math.nan,
        right / (right + missed) if right + missed else math.nan,
    )


def _group(found: Answered, patients: npt.NDArray[np.str_], mask: Mask) -> Group:
    ill, well = mask & (found.truth == 1), mask & (found.truth == 0)
    part = Answered(found.truth[mask], found.scores[mask], found.called[mask], found.sets[mask])
    return Group(
        share=float(mask.mean()),
        sensitivity=_share(found.called[ill] == 1, patients[ill].tolist()),
        specificity=_share(found.called[well] == 0, patients[well].tolist()),
        roc_auc=_figures(part, patients[mask].tolist())["roc_auc"],
    )


def _figures(found: Answered, patients: list[str]) -> dict[str, tuple[float, list[float]]]:
    once = np.ones((1, len(found.truth)))
    roc_auc, pr_auc = weighted.areas(once, found.scores, found.truth)
    values = {"roc_auc": roc_auc, "pr_auc": pr_auc, **weighted.trust(once, found)}
    names = ("roc_auc", "pr_auc", "ece", "brier")
    chosen = {name: float(values[name][0]) for name in names}
    estimates = bootstrap.estimates(chosen, found, patients, RESAMPLES)
    return {name: (one.value, [one.low, one.high]) for name, one in estimates.items()}


def _share(true: npt.NDArray[np.bool_], patients: list[str]) -> Share:
    """A share, with the wider one of two intervals at either end.

    Wilson's knows that few images may mislead, even where all are alike; the bootstrap over
    patients knows that images of one patient resemble each other.
    """
    count, of = int(true.sum()), len(true)
    wilson = binomtest(count, of).proportion_ci(method="wilson")
    drawn = bootstrap.mean(true, patients, RESAMPLES)
    return Share(count, of, min(wilson.low, drawn.low), max(wilson.high, drawn.high))


def _of(patients: list[str], mask: npt.NDArray[np.bool_]) -> list[str]:
    return [patient for patient, chosen in zip(patients, mask, strict=True) if chosen]
