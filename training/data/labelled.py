"""Labelled images: what one is, how they split, how they are read."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import typer
from sklearn.model_selection import StratifiedGroupKFold

from app.errors import ImageError
from app.imaging.decode import Radiograph, decode, to_model_input

LABELS = ("NORMAL", "PNEUMONIA")
TRAIN, VALIDATION, CALIBRATION = "train", "validation", "calibration"

Population = Literal["child", "adult", "unknown"]
View = Literal["AP", "PA", ""]
Sex = Literal["F", "M", ""]

_FOLDS = 10


class DataError(Exception):
    """A data directory that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Sample:
    """One image file, and what its set tells of it.

    Attributes:
        path: the file.
        label: an index of `LABELS`.
        patient: whose image it is, within its set; among several sets only after
            `training.data.datasets.find_all`.
        source: the set's name.
        population: whether the patient is a child, which is one of less than 18 years.
        view: the projection, from the front (AP) or from the back (PA); empty where it is unknown.
        sex: the patient's, as DICOM has it; empty where it is unknown or other.
        age: the patient's, in years; None where it is unknown.
        weight: how much the label counts in training; less than 1 where it is doubtful.
        label_origin: who or what gave the label.
    """

    path: Path
    label: int
    patient: str
    source: str = ""
    population: Population = "unknown"
    view: View = ""
    sex: Sex = ""
    age: float | None = None
    weight: float = 1.0
    label_origin: str = ""


@dataclass(frozen=True)
class Images:
    """Decoded samples: `pixels` is uint8 `[N, 224, 224, 1]`, `labels` float32 `[N]` of 0 and 1."""

    samples: list[Sample]
    pixels: npt.NDArray[np.uint8]

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        return np.array([sample.label for sample in self.samples], np.float32)

    @property
    def patients(self) -> list[str]:
        """Whose image each is."""
        return [sample.patient for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)


def split(samples: Sequence[Sample], seed: int) -> dict[str, list[Sample]]:
    """Split by patient into train (80 %), validation and calibration.

    Each part has its share of each label of each population, so that several sets split at once;
    images of a single population split as if it were unknown. Validation stops the training, so
    what is then fitted to the model's answers (scaling, threshold, prediction sets, novelty) is
    fitted to patients that neither of them saw.

    Raises:
        DataError: fewer than ten patients of a label.
    """
    labels = np.array([sample.label for sample in samples])
    patients = np.array([sample.patient for sample in samples])
    for label, name in enumerate(LABELS):
        if len(set(patients[labels == label])) < _FOLDS:
            raise DataError(f"A split needs at least {_FOLDS} patients with {name} images.")
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    held_out = [fold for _, fold in folds.split(labels, _strata(samples), patients)][:2]
    parts = dict(zip((VALIDATION, CALIBRATION), held_out, strict=True))
    parts[TRAIN] = np.setdiff1d(np.arange(len(samples)), np.concatenate(held_out))
    return {name: [samples[i] for i in indices] for name, indices in parts.items()}


def load(samples: Iterable[Sample], title: str) -> Images:
    """Decode the samples as the service does, with a progress bar.

    A broken image is named and left out, and their number is told.

    Raises:
        DataError: no image could be read.
    """
    kept, pixels, broken = [], [], 0
    samples = list(samples)
    with (
        ThreadPoolExecutor() as pool,
        typer.progressbar(pool.map(_input, samples), length=len(samples), label=title) as results,
    ):
        for sample, result in zip(samples, results, strict=True):
            if isinstance(result, ImageError):
                broken += 1
                typer.echo(f"\nskipped {sample.path}: {result}", err=True)
            else:
                kept.append(sample)
                pixels.append(result)
    if broken:
        typer.echo(f"{title}: skipped {broken} of {len(samples)} images", err=True)
    if not kept:
        raise DataError(f"{title}: none of the {len(samples)} images could be read.")
    return Images(kept, np.stack(pixels))


def read(path: Path) -> Radiograph:
    """Decode an image file, DICOM included, whatever its name says.

    Raises:
        ImageError: it cannot be read.
    """
    return decode(path.read_bytes())


def _strata(samples: Sequence[Sample]) -> list[str]:
    """The label and the population of each sample.

    Where too few patients share both for every fold to have one, the label's most frequent
    population stands for theirs.
    """
    strata = [(sample.label, sample.population) for sample in samples]
    counts = Counter(strata)
    patients = Counter(
        stratum for stratum, _ in {(s, x.patient) for s, x in zip(strata, samples, strict=True)}
    )
    largest = {
        label: max((s for s in counts if s[0] == label), key=counts.__getitem__)
        for label in {label for label, _ in counts}
    }
    merged = {s: s if patients[s] >= _FOLDS else largest[s[0]] for s in counts}
    return ["{} {}".format(*merged[stratum]) for stratum in strata]


def _input(sample: Sample) -> npt.NDArray[np.uint8] | ImageError:
    try:
        return to_model_input(read(sample.path).pixels)
    except ImageError as error:
        return error
