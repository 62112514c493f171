"""Which images the service refuses, or warns of, since they are not like chest X-rays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.inference.contract import Answers
from app.reading import lungs
from model_store.manifest import Calibration
from training.evaluation import bootstrap
from training.evaluation.measured import Shares, Strange

Mask = npt.NDArray[np.bool_]

KINDS = ("warned", "without_lungs", "told_apart")
RESAMPLES = 2_000


@dataclass(frozen=True)
class Suitability:
    """What is found strange in N images, `[N]` each.

    Attributes:
        warned: they get `not_like_a_chest_xray`.
        without_lungs: no lungs are found in them, so that they are refused.
    """

    warned: Mask
    without_lungs: Mask

    @property
    def told_apart(self) -> Mask:
        """Either of them: nobody is told PNEUMONIA or NORMAL."""
        return self.warned | self.without_lungs

    def of(self, chosen: Mask) -> "Suitability":
        """That of some of the images."""
        return Suitability(self.warned[chosen], self.without_lungs[chosen])


def judge(found: Answers, calibration: Calibration) -> Suitability:
    """What the service finds strange, by a model's answers and its criteria."""
    found_lungs = [lungs.find(one, calibration.lungs).found for one in found.lungs]
    return Suitability(found.novelty > calibration.novelty_limit, ~np.array(found_lungs))


def shares(found: Suitability) -> Shares:
    """How many images are strange, of how many."""
    told = {kind: float(getattr(found, kind).mean()) for kind in KINDS}
    return Shares(len(found.warned), **told)


def with_intervals(
    found: Suitability, patients: Sequence[str], resamples: int = RESAMPLES
) -> Strange:
    """As `shares`, with the 95 % interval of each, over patients."""
    told = {kind: bootstrap.mean(getattr(found, kind), patients, resamples) for kind in KINDS}
    return Strange(len(found.warned), **told)
