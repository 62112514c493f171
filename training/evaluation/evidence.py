"""How much of what argues for the model's answers lies in the lungs, on labelled images."""

from collections.abc import Sequence

import numpy as np

from app.imaging.overlay import Target
from app.inference.contract import Answers
from app.reading.lungs import evidence_in_lungs
from training.data.labelled import LABELS
from training.evaluation import bootstrap
from training.evaluation.measured import Evidence
from training.evaluation.suitability import Mask

RESAMPLES = 2_000

_TARGETS: tuple[Target, Target] = ("normal", "pneumonia")


def measure(
    found: Answers,
    called: Mask,
    without_lungs: Mask,
    patients: Sequence[str],
    resamples: int = RESAMPLES,
) -> dict[str, Evidence]:
    """The evidence for each answer, as the service tells it.

    Args:
        found: the answers to N images.
        called: whether the answer is PNEUMONIA, `[N]`.
        without_lungs: in which no lungs are found, `[N]`; they tell nothing.
        patients: whose image each is, N.
        resamples: of the bootstrap over patients.

    Returns:
        By answer that was given; without those for which there is no evidence.
    """
    told = {}
    everywhere = np.ones_like(found.cam[0])
    for label, (name, target) in enumerate(zip(LABELS, _TARGETS, strict=True)):
        chosen = np.flatnonzero((called == label) & ~without_lungs).tolist()
        shares = [evidence_in_lungs(found.cam[i], found.lungs[i], target) for i in chosen]
        given = [(i, share) for i, share in zip(chosen, shares, strict=True) if share is not None]
        if not given:
            continue
        rims = [evidence_in_lungs(everywhere, found.lungs[i], "pneumonia") for i, _ in given]
        whose = [patients[i] for i, _ in given]
        mean = bootstrap.mean(np.array([share for _, share in given]), whose, resamples)
        told[name] = Evidence(
            images=len(given),
            in_lungs=mean.value,
            interval=[mean.low, mean.high],
            of_the_image=float(np.mean([rim for rim in rims if rim is not None])),
        )
    return told
