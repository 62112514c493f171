"""RSNA *Pneumonia Detection Challenge* 2018: 26,684 frontal radiographs, read by radiologists.

Shih 2019, doi:10.1148/ryai.2019180041; https://kaggle.com/c/rsna-pneumonia-detection-challenge.
Its quirks:

- The table has a row for each box around an opacity, so several for an image; `Target` is the
  same in all of an image's rows. PNEUMONIA is 1 (6,012 images): an opacity that is suspicious of
  pneumonia, seen without the patient's history or laboratory.
- NORMAL is every image of `Target` 0: no such opacity, rather than no disease. More than half of
  them (11,821 of 20,672) are `No Lung Opacity / Not Normal` in `stage_2_detailed_class_info.csv`:
  effusions, masses, pacemakers. They are measured on, because the readers looked at each for
  pneumonia and denied it, because telling them apart from pneumonia is what a clinic needs, and
  because this is the challenge's own task; so specificity is lower than it would be on healthy
  people. They are not trained on: NORMAL is then what that table calls `Normal`.
- `patientId` is an image's id, not a patient's. The images are of *ChestX-ray14*, where a patient
  often has several. `pneumonia-challenge-dataset-mappings_2018.json` tells which image is which; it
  is not in the challenge's archive, but on its page at https://www.rsna.org (Artificial
  Intelligence, AI Image Challenge). Where it lies beside the table, it tells the patients; else
  each image is taken for a patient of its own, and intervals may be too narrow. A model that was
  trained on *ChestX-ray14* has seen these images, and the other way round: they are of both parts
  of its official split.
- View, sex and age stand in the DICOM headers.
- The images are DICOM, 1024 x 1024, 8-bit JPEG inside. The labels of `stage_2_test_images` were
  not published with the challenge, so these are not used.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pydicom

from app.imaging.dicom.age import years_of
from training.data.datasets import attributes
from training.data.datasets.tables import NIH_PATIENT, join, read_columns, read_table, tell
from training.data.labelled import DataError, Sample

SOURCE = "rsna"
TABLE = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
IMAGES = "stage_2_train_images"

_IMAGE, _TARGET, _CLASS = "patientId", "Target", "class"
_NORMAL = "Normal"
# By the column that tells it, the label of each of its words.
_LABELS = {
    _TARGET: {"0": 0, "1": 1},
    _CLASS: {_NORMAL: 0, "No Lung Opacity / Not Normal": 0, "Lung Opacity": 1},
}
COLUMNS = tuple({_IMAGE, column} for column in _LABELS)
"""Of the table of boxes, and of that of classes."""
_HEADER = ["ViewPosition", "PatientSex", "PatientAge"]


def find(folder: Path, *, training: bool = False) -> list[Sample]:
    """The images of the challenge's training part, by label, then by name.

    Args:
        folder: what holds the tables and the images.
        training: leave out those that are neither of pneumonia nor normal.

    Raises:
        DataError: a table is missing, lacks a column or contradicts itself, or no image of a
            label is there.
    """
    labelled = named(folder / TABLE)
    if training:
        rows = read_table(folder / CLASSES, (_IMAGE, _CLASS))
        normal = {row[_IMAGE] for row in rows if row[_CLASS].strip() == _NORMAL}
        kept = [s for s in labelled if s.label == 1 or s.path.stem in normal]
        tell(
            folder,
            f"left out {len(labelled) - len(kept):,} of {len(labelled):,} images, which are neither"
            " normal nor of pneumonia",
        )
        labelled = kept
    found = join(labelled, (folder / IMAGES).glob("*.dcm"), folder)
    return [_with_header(sample) for sample in found]


def named(table: Path) -> list[Sample]:
    """What the table says of each image, once for all its rows; a path is a file's name.

    Args:
        table: of boxes, as `TABLE`, or of classes, as `CLASSES`, under any name.

    Raises:
        DataError: it is not there, lacks a column or contradicts itself.
    """
    column = _CLASS if COLUMNS[1] <= set(read_columns(table)) else _TARGET
    labels: dict[str, int] = {}
    for row in read_table(table, (_IMAGE, column)):
        name, label = row[_IMAGE], _LABELS[column].get(row[column].strip())
        if label is None or labels.setdefault(name, label) != label:
            words = " or ".join(_LABELS[column])
            raise DataError(f"{table} gives no single {column} of {words} for {name!r}.")
    patients = _patients(table.parent / MAPPING)
    return [
        Sample(
            Path(f"{name}.dcm"),
            label,
            patients.get(name, name),
            source=SOURCE,
            label_origin="radiologists",
        )
        for name, label in labels.items()
    ]


def _patients(mapping: Path) -> Mapping[str, str]:
    """The patient of *ChestX-ray14* by image, where the file is there.

    Raises:
        DataError: it is not the RSNA's.
    """
    if not mapping.exists():
        return {}
    try:
        return {
            row["subset_img_id"]: NIH_PATIENT.format(int(row["img_id"].split("_")[0]))
            for row in json.loads(mapping.read_text())
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{mapping} is not the file that the RSNA publishes.") from error


def _with_header(sample: Sample) -> Sample:
    """Add what the file's header tells; nothing where it cannot be read."""
    try:
        header = pydicom.dcmread(sample.path, stop_before_pixels=True, specific_tags=_HEADER)
        view, sex, years = (str(header.get(keyword) or "") for keyword in _HEADER)
    except Exception:  # Whatever pydicom raises; `data.load` names what cannot be read.
        return sample
    age = years_of(years)
    return replace(
        sample,
        population=attributes.population(age),
        view=attributes.view(view),
        sex=attributes.sex(sex),
        age=age,
    )
