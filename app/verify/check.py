"""A report against the reading of its image."""

from dataclasses import dataclass, replace

import numpy as np

from app.reading.model import Model
from app.reading.reading import Reading, judge
from app.verify.report import Report

# How far the model's own probability may lie from the one that was reported. Engines and kinds of
# CPU round differently: on 1,527 X-rays by up to 0.037, in 8 bits and bfloat16 against float32. The
# same engine on the same kind of CPU lies far closer.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Check:
    """One thing that a report says.

    Attributes:
        what: in a word or two.
        claimed: by the report.
        found: now.
        holds: whether they agree, as far as they must.
    """

    what: str
    claimed: str
    found: str
    holds: bool

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "DIFFERS"
        return f"{self.what:<14} {verdict:<7}  claimed {self.claimed}, found {self.found}"


def origin(report: Report, image: tuple[str, ...], model: Model) -> list[Check]:
    """Whether the report is of the image, and by the model and the site profile that there are.

    Args:
        report: what is claimed.
        image: the names that the image goes by: its SHA-256, and its SOP Instance UID if any.
        model: that is installed.
    """
    pairs = (
        ("model", report.model, model.digest),
        ("profile", report.profile or "none", model.profile_digest or "none"),
    )
    named = report.image in image
    # Of the kind that the report has.
    shown = report.image if named else image[-1] if "." in report.image else image[0]
    return [
        Check("image", report.image, shown, named),
        *(Check(what, claimed, found, claimed == found) for what, claimed, found in pairs),
    ]


def answer(report: Report, reading: Reading) -> list[Check]:
    """Whether the answer is the one that the model gives now.

    The label and the prediction set must be what the thresholds make of the claimed probability:
    another engine's may lie on the other side of one.

    Args:
        report: of the reading's image, model and profile.
        reading: of now.
    """
    model, answers = reading.model, reading.answers
    claimed = report.probability
    own = model.profile.at_model(claimed) if model.profile else claimed
    judged = judge(
        reading.radiograph,
        replace(answers, probability=np.array([own], np.float32)),
        model,
        reading.seconds,
    )
    return [
        Check(
            "probability",
            f"{claimed:.6f}",
            f"{reading.probability:.6f}",
            abs(own - float(answers.probability[0])) <= TOLERANCE,
        ),
        Check("label", report.label, judged.label, report.label == judged.label),
        Check(
            "prediction set",
            ", ".join(sorted(report.prediction_set)),
            ", ".join(sorted(judged.prediction_set)),
            report.prediction_set == frozenset(judged.prediction_set),
        ),
    ]
