"""RSNA *Pneumonia Detection Challenge* 2018: 26,684 frontal radiographs, read by radiologists.

Shih 2019, doi:10.1148/ryai.2019180041; https://kaggle.com/c/rsna-pneumonia-detection-challenge.
Its quirks:

- The table has a row for each box around an opacity, so several for an image; `Target` is the
  same in all of an image's rows. PNEUMONIA is 1 (6,012 images): an opacity that is suspicious of
  pneumonia, seen without the patient's history or laboratory.
- NORMAL is every image of `Target` 0: no such opacity, rather than no disease. More than half of
  them (11,821 of 20,672) are `No Lung Opacity / Not Normal` in `stage_2_detailed_class_info.csv`:
  effusions, masses, pacemakers. They stay, because the readers looked at each for pneumonia and
  denied it, because telling them apart from pneumonia is what a clinic needs, and because this is
  the challenge's own task. So that table is not read, and specificity is lower than it would be
  on healthy people.
- `patientId` is an image's id, not a patient's. The images are of *ChestX-ray14*, where a patient
  often has several, so the intervals, which draw each image by itself, may be too narrow. A
  model that was trained on *ChestX-ray14* has seen them.
- The images are DICOM, 1024 x 1024, 8-bit JPEG inside. The labels of `stage_2_test_images` were
  not published with the challenge, so these are not used.
"""

from pathlib import Path

from training.data import DataError, Sample
from training.datasets.tables import join, read_table

TABLE = "stage_2_train_labels.csv"
IMAGES = "stage_2_train_images"

_IMAGE, _TARGET = "patientId", "Target"


def find(folder: Path) -> list[Sample]:
    """The images of the training part, by label, then by name.

    Raises:
        DataError: the table is missing, lacks a column or contradicts itself, or no image of a
            label is there.
    """
    targets: dict[str, str] = {}
    for row in read_table(folder / TABLE, (_IMAGE, _TARGET)):
        name, target = row[_IMAGE], row[_TARGET].strip()
        if target not in {"0", "1"} or targets.setdefault(name, target) != target:
            raise DataError(f"{folder / TABLE} gives no single {_TARGET} of 0 or 1 for {name!r}.")
    labelled = {f"{name}.dcm": (int(target), name) for name, target in targets.items()}
    return join(labelled, (folder / IMAGES).glob("*.dcm"), folder)
