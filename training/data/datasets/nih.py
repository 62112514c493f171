"""NIH *ChestX-ray14*: 112,120 frontal radiographs of 30,805 patients, mostly adults, PA and AP.

Wang 2017, arXiv:1705.02315; https://nihcc.app.box.com/v/ChestXray-NIHCC. Its quirks:

- The labels were mined from the reports by a program, and are noisy: a radiologist who looked at
  the images of each label agreed with far fewer than the paper tells (Oakden-Rayner 2019,
  arXiv:1907.12720). A report's "pneumonia" is a diagnosis that an image alone seldom settles.
- PNEUMONIA is an image whose findings hold `Pneumonia`, NORMAL one whose only finding is
  `No Finding`. Images with other findings alone are left out, half of the set: the program kept
  apart `Infiltration`, `Consolidation` and `Pneumonia`, which are words for what may be one thing,
  so those images are neither known to show pneumonia nor known not to. So specificity is that
  on images without any finding; patients with other diseases are harder.
  A label weighs little in training.
- `test_list.txt`, the official test split, lies beside the table in each download: 25,596 images
  of patients that `train_val_list.txt` does not have. Where the file is there, only its images
  are measured on, so that a figure can be held against published ones, and only the others are
  trained on. Without the file all images count for both.
- Some ages are none (414 years), and the files before the correction have them as `058Y`.
- NIH's twelve archives all unpack into `images`; Kaggle's copy has `images_001/images` to
  `images_012/images`.
- `Data_Entry_2017_v2020.csv` is NIH's correction of `Data_Entry_2017.csv`, and preferred.
- Some of the PNG files are RGBA; they become gray like any other.
"""

from collections.abc import Mapping
from pathlib import Path

from app.imaging.dicom.age import years_of
from training.data.datasets import attributes
from training.data.datasets.tables import MINED_WEIGHT, NIH_PATIENT, join, read_table, tell
from training.data.labelled import LABELS, DataError, Sample

SOURCE = "nih"
TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
TEST_LIST = "test_list.txt"

_IMAGE, _FINDINGS, _PATIENT = "Image Index", "Finding Labels", "Patient ID"
_VIEW, _AGE, _SEX = "View Position", "Patient Age", ("Patient Sex", "Patient Gender")
COLUMNS = {_IMAGE, _FINDINGS}
"""By which the table is known."""


def find(folder: Path, *, training: bool = False) -> list[Sample]:
    """The images of pneumonia and of no finding, by label, then by name.

    Args:
        folder: what holds the table and the images.
        training: take the images that are not of the official test split, rather than its own.

    Raises:
        DataError: the table is missing or lacks a column, or no image of a label is there.
    """
    table = next((folder / name for name in TABLES if (folder / name).exists()), None)
    if table is None:
        raise DataError(f"There is no {' or '.join(TABLES)} in {folder}.")
    files = [*folder.glob("images/*.png"), *folder.glob("images_*/images/*.png")]
    return join(named(table, training=training), files, folder)


def named(table: Path, *, training: bool = False) -> list[Sample]:
    """What the table says of each image of pneumonia and of no finding; a path is a file's name.

    How many images were left out, and why, is told on stderr.

    Args:
        table: one of `TABLES`, under any name.
        training: as of `find`.

    Raises:
        DataError: it is not there, or lacks a column.
    """
    folder = table.parent
    rows = {row[_IMAGE]: row for row in read_table(table, (_IMAGE, _FINDINGS, _PATIENT))}
    test_list = folder / TEST_LIST
    if test_list.exists():
        test = set(test_list.read_text().split())
        tell(folder, f"only the images {'not ' if training else ''}of {TEST_LIST}")
        rows = {name: row for name, row in rows.items() if (name in test) != training}
    labelled = [
        _sample(name, label, row)
        for name, row in rows.items()
        if (label := label_of(row[_FINDINGS])) is not None
    ]
    if other := len(rows) - len(labelled):
        tell(folder, f"left out {other:,} of {len(rows):,} images, which have other findings only")
    return labelled


def label_of(findings: str) -> int | None:
    """The index in `LABELS` of findings separated by `|`; None where they tell neither label."""
    names = {name.strip() for name in findings.split("|")}
    if "Pneumonia" in names:
        return LABELS.index("PNEUMONIA")
    return LABELS.index("NORMAL") if names == {"No Finding"} else None


def _sample(name: str, label: int, row: Mapping[str, str]) -> Sample:
    number, years = row[_PATIENT].strip(), years_of(row.get(_AGE, ""))
    return Sample(
        Path(name),
        label,
        NIH_PATIENT.format(int(number)) if number.isdecimal() else number,
        source=SOURCE,
        population=attributes.population(years),
        view=attributes.view(row.get(_VIEW, "")),
        sex=attributes.sex(next((row[column] for column in _SEX if column in row), "")),
        age=years,
        weight=MINED_WEIGHT,
        label_origin="mined from reports",
    )
