"""What is measured of a model, and how `metrics.json` holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Interval = list[float]
"""95 %, `[low, high]`."""

TITLES = {
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "coverage_normal": "coverage of NORMAL",
    "coverage_pneumonia": "coverage of PNEUMONIA",
    "read_by_a_person": "read by a person",
}
"""Of each figure, as reports call it."""


@dataclass(frozen=True)
class Estimate:
    """A figure, and its 95 % percentile interval of a bootstrap over patients."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """In words, such as `0.998 (0.995 to 1.000)`."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Performance:
    """What answers to labelled images are worth.

    Attributes:
        accuracy, roc_auc: of all images.
        pr_auc: the average precision.
        sensitivity: the recall of PNEUMONIA.
        specificity: the recall of NORMAL.
        ece, brier, coverage_normal, coverage_pneumonia, read_by_a_person: see `weighted.trust`.
        confusion_matrix: `[[tn, fp], [fn, tp]]`.
        classification_report: as scikit-learn nests it, with an estimate for each number.
        n: images.
        patients: whose images these are.
        threshold: PNEUMONIA is answered where probability >= threshold.
        bootstrap_resamples: of the intervals.
    """

    accuracy: Estimate
    roc_auc: Estimate
    pr_auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ece: Estimate
    brier: Estimate
    coverage_normal: Estimate
    coverage_pneumonia: Estimate
    read_by_a_person: Estimate
    confusion_matrix: list[list[Estimate]]
    classification_report: Mapping[str, Any]
    n: int
    patients: int
    threshold: float
    bootstrap_resamples: int


@dataclass(frozen=True)
class Evidence:
    """How much of what argues for an answer lies in the lungs.

    Attributes:
        images: that were answered so, with evidence for it.
        in_lungs: the mean share of it that lies in the lungs or at their rim.
        interval: of `in_lungs`, over patients.
        of_the_image: the mean share of the image that these take: what chance would give.
    """

    images: int
    in_lungs: float
    interval: Interval
    of_the_image: float


@dataclass(frozen=True)
class Strange:
    """The shares of images in which something is found strange; see `suitability.Suitability`."""

    images: int
    warned: Estimate
    without_lungs: Estimate
    told_apart: Estimate


@dataclass(frozen=True)
class Group:
    """The figures of a group of images, of which `normal` and `pneumonia` have each label."""

    n: int
    normal: int
    pneumonia: int
    patients: int
    roc_auc: Estimate
    pr_auc: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ece: Estimate
    coverage_normal: Estimate
    coverage_pneumonia: Estimate
    strange: Strange


@dataclass(frozen=True)
class Assessment(Performance):
    """What an engine's answers to labelled images are worth.

    Attributes:
        engine: what answered.
        device: on which it ran.
        evidence: by answer, where there is any for it.
        strange: in all images.
        groups: by name, those of `groups.masks`.
    """

    engine: str
    device: str
    evidence: dict[str, Evidence]
    strange: Strange
    groups: dict[str, Group]


@dataclass(frozen=True)
class Taken:
    """The figures of images that were taken in some way."""

    roc_auc: Estimate
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class Acquisition:
    """What acquisition tells of the labels, and the model where it argues against them.

    Attributes:
        against: the model, on the images that acquisition argues against.
        rest: the model, on the other images.
        alone: acquisition, on all images.
        images: how many it argues against.
    """

    against: Taken
    rest: Taken
    alone: Taken
    images: int


@dataclass(frozen=True)
class Shift:
    """What the answers owe to how images were taken.

    Attributes:
        taken: for `as they are` and each key of `shift.changed`.
        acquisition: None where there are too few patients.
    """

    taken: dict[str, Taken]
    acquisition: Acquisition | None


@dataclass(frozen=True)
class Shares:
    """As `Strange`, without intervals."""

    images: int
    warned: float
    without_lungs: float
    told_apart: float


@dataclass(frozen=True)
class NoChest(Shares):
    """Of images of one kind, and how well novelty alone tells it from the real ones: `auroc`."""

    auroc: float


@dataclass(frozen=True)
class Novelty:
    """What is found strange in real chest X-rays, and in each kind of what is none."""

    real: Shares
    kinds: dict[str, NoChest]


@dataclass(frozen=True)
class Curve:
    """How answers change along the order of pixels that a map gives.

    Attributes:
        curve: the mean at each of `Explanations.shares`.
        area: under it.
        gain: of area, above 0 where the map is better than a misplaced one, in the mean.
        wins: the share of images on which it is.
    """

    curve: list[float]
    area: float
    area_interval: Interval
    gain: float
    gain_interval: Interval
    wins: float


@dataclass(frozen=True)
class Curves:
    """By map of `explanations.MAPS`, the log-odds and the probability of the model's answer."""

    log_odds: dict[str, Curve]
    probability: dict[str, Curve]


@dataclass(frozen=True)
class Randomisation:
    """How maps correlate with those of the same model with random weights.

    Attributes:
        layers: that have a kernel.
        randomised: how many of them are, from 0 to all.
        correlation: for each of these, the mean.
        intervals: of `correlation`.
        another_image: what maps of different images correlate by.
    """

    layers: int
    randomised: list[int]
    correlation: list[float]
    intervals: list[Interval]
    another_image: float


@dataclass(frozen=True)
class Explanations:
    """Whether Grad-CAM tells where the model looked, on `n` images.

    Attributes:
        seed: of what is drawn at random.
        shares: of the pixels that are replaced, along each curve.
    """

    n: int
    seed: int
    shares: list[float]
    deletion: Curves
    insertion: Curves
    randomisation: Randomisation


@dataclass(frozen=True)
class Examination(Assessment):
    """All that is measured of a model on labelled images; explanations where they were checked."""

    shift: Shift
    novelty: Novelty
    explanations: Explanations | None


@dataclass(frozen=True)
class Model:
    """A version of the model store."""

    name: str
    version: int


@dataclass(frozen=True)
class Evaluation(Examination):
    """An examination, and what was examined, by which command, and how many broken images not."""

    model: Model
    command: str
    skipped: int


def to_json(found: Any) -> Any:
    """What was measured, as plain values that JSON can hold.

    A dataclass is an object without the fields that are None. An estimate is its value; its
    `[low, high]` is at the same place under the object's `intervals`.
    """
    match found:
        case Estimate():
            return found.value
        case dict():
            return {key: to_json(value) for key, value in found.items()}
        case list():
            return [to_json(value) for value in found]
        case int() | float() | str():
            return found
    held = {key: value for key, value in vars(found).items() if value is not None}
    spans = _intervals(held)
    return to_json(held) | ({"intervals": spans} if spans else {})


def _intervals(found: Any) -> Any:
    """The intervals of the estimates in nested dicts and lists; None where there are none."""
    match found:
        case Estimate():
            return [found.low, found.high]
        case dict():
            spans = {key: _intervals(value) for key, value in found.items()}
            return {key: span for key, span in spans.items() if span} or None
        case list():
            return [span for value in found if (span := _intervals(value))] or None
    return None
