"""*Chest X-Ray Images (Pneumonia)*, or one's own images laid out like it.

Kermany, Zhang, Goldbaum 2018, Mendeley Data, doi:10.17632/rscbjbr9sj.2. Its quirks:

- The patients are children of one to five years. Two physicians gave the labels, each image's
  own age and sex were not published.
- `val` holds 16 images, too few to validate on, so validation is split off `train`;
- one patient often has several images, and only the file names tell: `personN_bacteria_M.jpeg`
  and `personN_virus_M.jpeg` are of patient `personN`, `IM-N-M.jpeg` and `NORMAL2-IM-N-M.jpeg` of
  `IM-N` and `NORMAL2-IM-N`, and version 3's `BACTERIA-N-M.jpeg`, `VIRUS-N-M.jpeg` and
  `NORMAL-N-M.jpeg` of `N`. A split that ignores them tests on patients it has trained on.
"""

import re
from pathlib import Path

from training.data.labelled import LABELS, DataError, Sample

SOURCE = "kermany"
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

_PATIENT = re.compile(r"^(person\d+)_|^((?:NORMAL2-)?IM-\d+)-|^(?:BACTERIA|NORMAL|VIRUS)-(\d+)-")


def find(folder: Path, *, training: bool = False) -> list[Sample]:
    """The images under `folder/NORMAL` and `folder/PNEUMONIA`, by label, then by name.

    Those named as the set names its files are of children; nothing is known of others.

    Args:
        folder: what holds the two.
        training: where `folder` has a folder `train`, take that one.

    Raises:
        DataError: a label has no image.
    """
    if training and (folder / "train").is_dir():
        folder /= "train"
    samples = []
    for label, name in enumerate(LABELS):
        paths = [p for p in (folder / name).rglob("*") if p.suffix.lower() in SUFFIXES]
        if not paths:
            raise DataError(f"There are no images in {folder / name}; see `download --help`.")
        samples += [sample(path, label) for path in sorted(paths)]
    return samples


def sample(path: Path, label: int) -> Sample:
    """What the file's name tells."""
    whose = patient(path, label)
    if not is_named(path):
        return Sample(path, label, whose, source=SOURCE, label_origin="the folder")
    return Sample(
        path, label, whose, source=SOURCE, population="child", label_origin="two physicians"
    )


def is_named(path: Path) -> bool:
    """Whether the file is named as the set names its files."""
    return _PATIENT.match(path.name) is not None


def patient(path: Path, label: int) -> str:
    """The patient that the file name carries; an image of its own where it carries none."""
    found = _PATIENT.match(path.name)
    return next(filter(None, found.groups())) if found else f"{label}/{path.stem}"
