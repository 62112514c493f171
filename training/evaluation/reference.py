"""How images are distributed, for the service to see later ones beside: see `app.reading.drift`."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from app.archive.row import Row
from app.codes import Label
from app.inference.contract import Answers
from app.reading import drift, lungs
from app.reading.drift import Quantities
from model_store.manifest import Calibration, Conformal, Distributions

_BOTH = 2


def of_rows(rows: Sequence[Row], conformal: Conformal) -> Distributions:
    """The distribution of a site's images, labelled or not, each content once.

    Args:
        rows: of the archive, by no site profile; those without an answer or lungs are left out.
        conformal: the limits that will make the prediction sets.
    """
    once = {row.sha256: row for row in rows if row.lungs_found}
    return drift.count(_of_row(row, conformal) for row in once.values())


def of_answers(
    answered: Iterable[tuple[Answers, npt.NDArray[np.uint8]]], calibration: Calibration
) -> Distributions:
    """The distribution of a model's held-out images, by what is seen in them.

    Their files' formats, and what tables know of view and age, are those of published sets: no
    hospital's images are to be like them.

    Args:
        answered: the engine's answers, and the images, uint8 `[N, 224, 224, 1]`.
        calibration: the model's.
    """
    return drift.count(
        image for answers, pixels in answered for image in _of(answers, pixels, calibration)
    )


def _of_row(row: Row, conformal: Conformal) -> Quantities:
    probability = row.probability or 0.0
    return Quantities(
        probability,
        _set_size(probability, conformal, strange=row.label == Label.INDETERMINATE),
        row.novelty,
        row.lungs_share,
        row.brightness,
        row.format,
        row.view,
        row.age_group,
    )


def _of(
    answers: Answers, pixels: npt.NDArray[np.uint8], calibration: Calibration
) -> Iterator[Quantities]:
    for index, image in enumerate(pixels):
        found = lungs.find(answers.lungs[index], calibration.lungs)
        if found.found:
            probability = float(answers.probability[index])
            novelty = float(answers.novelty[index]) / calibration.novelty_limit
            yield Quantities(
                probability,
                _set_size(probability, calibration.conformal, strange=novelty > 1),
                novelty,
                found.share,
                float(image.mean()) / 255,
            )


def _set_size(probability: float, conformal: Conformal, *, strange: bool) -> int:
    return _BOTH if strange else len(conformal.prediction_set(probability))
