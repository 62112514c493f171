"""The *Chest X-Ray Images (Pneumonia)* set: where its images lie, whose they are, how they split.

Kermany, Zhang, Goldbaum 2018, Mendeley Data, doi:10.17632/rscbjbr9sj.2. Its quirks:

- `val` holds 16 images, too few to validate on, so validation is split off `train`;
- one patient often has several images, and only the file names tell: `personN_bacteria_M.jpeg`
  and `personN_virus_M.jpeg` are of patient `personN`, `IM-N-M.jpeg` and `NORMAL2-IM-N-M.jpeg` of
  `IM-N` and `NORMAL2-IM-N`, and version 3's `BACTERIA-N-M.jpeg`, `VIRUS-N-M.jpeg` and
  `NORMAL-N-M.jpeg` of `N`. A split that ignores them tests on patients it has trained on.
"""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import typer
from sklearn.model_selection import StratifiedGroupKFold

from app.imaging.decode import ImageError, decode, to_model_input

LABELS = ("NORMAL", "PNEUMONIA")
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
TRAIN, VALIDATION, CALIBRATION = "train", "validation", "calibration"

_FOLDS = 10
_PATIENT = re.compile(r"^(person\d+)_|^((?:NORMAL2-)?IM-\d+)-|^(?:BACTERIA|NORMAL|VIRUS)-(\d+)-")


class DataError(Exception):
    """A data directory that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Sample:
    """One image file; `label` indexes `LABELS`."""

    path: Path
    label: int

    @property
    def patient(self) -> str:
        """The patient that the file name carries; an image of its own where it carries none."""
        found = _PATIENT.match(self.path.name)
        return next(filter(None, found.groups())) if found else f"{self.label}/{self.path.stem}"


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


def find(folder: Path) -> list[Sample]:
    """The images under `folder/NORMAL` and `folder/PNEUMONIA`, by label, then by name.

    Raises:
        DataError: a label has no image.
    """
    samples = []
    for label, name in enumerate(LABELS):
        paths = [p for p in (folder / name).rglob("*") if p.suffix.lower() in SUFFIXES]
        if not paths:
            raise DataError(f"There are no images in {folder / name}; see `download --help`.")
        samples += [Sample(path, label) for path in sorted(paths)]
    return samples


def split(samples: Sequence[Sample], seed: int) -> dict[str, list[Sample]]:
    """Split by patient, stratified by label, into train (80 %), validation and calibration.

    Validation stops the training, so what is then fitted to the model's answers (scaling,
    threshold, prediction sets, novelty) is fitted to patients that neither of them saw.

    Raises:
        DataError: fewer than ten patients of a label.
    """
    labels = np.array([sample.label for sample in samples])
    patients = np.array([sample.patient for sample in samples])
    for label, name in enumerate(LABELS):
        if len(set(patients[labels == label])) < _FOLDS:
            raise DataError(f"A split needs at least {_FOLDS} patients with {name} images.")
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    held_out = [fold for _, fold in folds.split(labels, labels, patients)][:2]
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
        typer.progressbar(pool.map(_read, samples), length=len(samples), label=title) as results,
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


def _read(sample: Sample) -> npt.NDArray[np.uint8] | ImageError:
    try:
        return to_model_input(decode(sample.path.read_bytes()).pixels)
    except ImageError as error:
        return error
