"""One radiograph, read: what the model's numbers mean for it."""

from dataclasses import dataclass, field

from app.codes import Label, Reason, WarningCode
from app.imaging import overlay
from app.imaging.decode import Radiograph
from app.inference.contract import Answers
from app.reading.evidence import core
from app.reading.lungs import Floats, Lungs, evidence_in_lungs, find, outline
from app.reading.model import Model

# Of rows and columns, for the mean gray: all of them would take a millisecond.
_SAMPLED = 8


@dataclass(frozen=True)
class Reading:
    """One radiograph, read.

    Attributes:
        radiograph: the decoded image.
        answers: the model's outputs, N = 1.
        model: which one.
        lungs: where they are.
        label: what the image shows, or that nobody can tell from it.
        finding: `NORMAL` or `PNEUMONIA`, as the threshold has it, whatever the image is.
        prediction_set: the labels that cannot be excluded.
        warnings: what the answer is given in spite of.
        seconds: by stage; rendering adds its own.
    """

    radiograph: Radiograph
    answers: Answers
    model: Model
    lungs: Lungs
    label: Label
    finding: Label
    prediction_set: list[Label]
    warnings: list[WarningCode]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def reasons(self) -> list[Reason]:
        """Why a person should read the image."""
        both = [Reason.BOTH_LABELS_POSSIBLE] if len(self.prediction_set) > 1 else []
        return both + [Reason(code) for code in self.warnings]

    @property
    def review(self) -> bool:
        """Whether a person should read the image."""
        return bool(self.reasons)

    @property
    def target(self) -> overlay.Target:
        """What an overlay shows that explains the answer."""
        return "pneumonia" if self.finding == Label.PNEUMONIA else "normal"

    @property
    def probability(self) -> float:
        """Calibrated P(PNEUMONIA), at the prevalence of the site profile where there is one."""
        return self.model.probability(float(self.answers.probability[0]))

    @property
    def novelty(self) -> float:
        """How far the image is from the training images; over 1 it is unlike them."""
        limit = self.model.manifest.calibration.novelty_limit
        return float(self.answers.novelty[0]) / limit

    @property
    def brightness(self) -> float:
        """The mean gray of the image, 0 to 1."""
        return float(self.radiograph.pixels[::_SAMPLED, ::_SAMPLED].mean()) / 255

    @property
    def threshold(self) -> float:
        """The finding is PNEUMONIA where probability >= threshold."""
        return self.model.threshold

    @property
    def outline(self) -> list[Floats]:
        """The contours of the lungs, as `lungs.outline` gives them; none where none were found."""
        return outline(self.answers.lungs[0]) if self.lungs.found else []

    @property
    def core(self) -> list[Floats]:
        """Where what argues for pneumonia is strongest, as `evidence.core` gives it.

        None where the image does not show pneumonia.
        """
        if self.label != Label.PNEUMONIA:
            return []
        return core(self.answers.cam[0], self.answers.lungs[0])

    def evidence_in_lungs(self, target: overlay.Target) -> float | None:
        """The share of what argues for a label that lies in the lungs, 0 to 1.

        None where nothing argues for it, or no lungs were found.
        """
        if not self.lungs.found:
            return None
        return evidence_in_lungs(self.answers.cam[0], self.answers.lungs[0], target)


def judge(
    radiograph: Radiograph, answers: Answers, model: Model, seconds: dict[str, float]
) -> Reading:
    """What the model's outputs, N = 1, mean for the image that they are about."""
    manifest = model.manifest
    calibration = manifest.calibration
    own = float(answers.probability[0])
    positive = model.probability(own) >= model.threshold
    finding = Label.PNEUMONIA if positive else Label.NORMAL
    lungs = find(answers.lungs[0], calibration.lungs)
    strange = []
    if not lungs.found:
        strange.append(WarningCode.NO_LUNGS_FOUND)
    if answers.novelty[0] > calibration.novelty_limit:
        strange.append(WarningCode.NOT_LIKE_A_CHEST_XRAY)
    cut_off = [WarningCode.LUNGS_CUT_OFF] if lungs.cut_off else []
    possible = model.conformal.prediction_set(own)
    return Reading(
        radiograph,
        answers,
        model,
        lungs,
        label=Label.INDETERMINATE if strange else finding,
        finding=finding,
        # Coverage holds for images like those that it was measured on, and for no others.
        prediction_set=[Label(name) for name in (manifest.labels if strange else possible)],
        warnings=[*radiograph.warnings, *strange, *cut_off],
        seconds=seconds,
    )
