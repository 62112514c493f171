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
- `test_list.txt`, the official test split, lies beside the table in each download: 25,596 images
  of patients that `train_val_list.txt` does not have. Where the file is there, only its images
  count, so that a figure can be held against published ones, and so that a model which was
  trained on the others is not measured on them. Without the file all images count.
- NIH's twelve archives all unpack into `images`; Kaggle's copy has `images_001/images` to
  `images_012/images`.
- `Data_Entry_2017_v2020.csv` is NIH's correction of `Data_Entry_2017.csv`, and preferred.
- Some of the PNG files are RGBA; they become gray like any other.
"""

from pathlib import Path

from training.data import LABELS, DataError, Sample
from training.datasets.tables import join, read_table, tell

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
TEST_LIST = "test_list.txt"

_IMAGE, _FINDINGS, _PATIENT = "Image Index", "Finding Labels", "Patient ID"


def find(folder: Path) -> list[Sample]:
    """The images of pneumonia and of no finding, by label, then by name.

    How many images were left out, and why, is told on stderr.

    Raises:
        DataError: the table is missing or lacks a column, or no image of a label is there.
    """
    table = next((folder / name for name in TABLES if (folder / name).exists()), None)
    if table is None:
        raise DataError(f"There is no {' or '.join(TABLES)} in {folder}.")
    rows = {row[_IMAGE]: row for row in read_table(table, (_IMAGE, _FINDINGS, _PATIENT))}
    test_list = folder / TEST_LIST
    if test_list.exists():
        test = set(test_list.read_text().split())
        tell(folder, f"only the images of {TEST_LIST}")
        rows = {name: row for name, row in rows.items() if name in test}
    labelled = {
        name: (label, row[_PATIENT])
        for name, row in rows.items()
        if (label := label_of(row[_FINDINGS])) is not None
    }
    if other := len(rows) - len(labelled):
        tell(folder, f"left out {other:,} of {len(rows):,} images, which have other findings only")
    files = [*folder.glob("images/*.png"), *folder.glob("images_*/images/*.png")]
    return join(labelled, files, folder)


def label_of(findings: str) -> int | None:
    """The index in `LABELS` of findings separated by `|`; None where they tell neither label."""
    names = {name.strip() for name in findings.split("|")}
    if "Pneumonia" in names:
        return LABELS.index("PNEUMONIA")
    return LABELS.index("NORMAL") if names == {"No Finding"} else None
