"""Images of any kind beside a table, `manifest.csv`: the layout for one's own.

    folder/manifest.csv
    folder/...            images of any format that the service reads, DICOM included

The table is CSV in UTF-8 with a header; columns in any order, others are ignored:

| column | | |
| --- | --- | --- |
| `file` | required | the image, relative to the folder |
| `label` | required | `NORMAL` or `PNEUMONIA` |
| `patient` | | whose image it is, anything that tells patients apart. Empty: nobody else's. A patient whose images are in two parts of a split makes figures too good, so fill it in. `NIH-00003140` is that patient of *ChestX-ray14*, also in the other sets made from it |
| `part` | | `test`: measured on, never trained on; where there are such rows, nothing else is measured on. Any other word is trained on; one that ends in `weak` has doubtful labels |
| `age` | | years, or a DICOM Age String such as `006M` |
| `age_group` | | `child` (less than 18 years) or `adult`; where it is empty, the age tells |
| `sex` | | `F` or `M` |
| `view` | | `AP` or `PA` |
| `label_from` | | who or what gave the label, for reports; with the word `mined`, labels are doubtful |
| `weight` | | how much the label counts in training, more than 0 and at most 1. Empty: 0.3 where it is doubtful, else 1 |

What is unknown stays empty. A file that is not there is no error, but their number is told.
"""  # noqa: E501 - a row of a table is a line

import math
from collections.abc import Mapping
from pathlib import Path

from app.imaging.dicom.age import years_of
from training.data.datasets import attributes
from training.data.datasets.tables import MINED_WEIGHT, check, read_table, tell
from training.data.labelled import LABELS, DataError, Population, Sample

TABLE = "manifest.csv"
TEST = "test"

_FILE, _LABEL = "file", "label"
_POPULATIONS: Mapping[str, Population] = {"child": "child", "adult": "adult"}


def find(folder: Path, *, training: bool = False) -> list[Sample]:
    """The images that the table names, by label, then by name; the folder's name is their source.

    Args:
        folder: what holds the table.
        training: leave out the part `test`, rather than the others.

    Raises:
        DataError: the table is missing, lacks a column or holds what it must not, or no image of
            a label is there.
    """
    table = folder / TABLE
    rows: dict[str, dict[str, str]] = {}
    for row in read_table(table, (_FILE, _LABEL)):
        row = {key: value.strip() for key, value in row.items() if key and value}  # noqa: PLW2901
        if rows.setdefault(row.get(_FILE, ""), row) is not row:
            raise DataError(f"{table} names {row.get(_FILE, '')!r} twice.")
    test = {name for name, row in rows.items() if row.get("part") == TEST}
    if test:
        tell(folder, f"only the images {'not ' if training else ''}of the part {TEST}")
        rows = {name: row for name, row in rows.items() if (name in test) != training}
    labelled = [_sample(folder, row) for row in rows.values()]
    samples = [sample for sample in labelled if sample.path.is_file()]
    check(samples, len(labelled) - len(samples), folder)
    return sorted(samples, key=lambda sample: (sample.label, sample.path))


def _sample(folder: Path, row: Mapping[str, str]) -> Sample:
    name, label = row.get(_FILE, ""), row.get(_LABEL, "")
    if not name or label not in LABELS:
        raise DataError(f"{folder / TABLE} gives {name!r} the label {label!r}; see {__name__}.")
    years = years_of(row.get("age", ""))
    return Sample(
        folder / name,
        LABELS.index(label),
        row.get("patient") or name,
        source=folder.resolve().name,
        population=_POPULATIONS.get(row.get("age_group", ""), attributes.population(years)),
        view=attributes.view(row.get("view", "")),
        sex=attributes.sex(row.get("sex", "")),
        age=years,
        weight=_weight(folder, row),
        label_origin=row.get("label_from", ""),
    )


def _weight(folder: Path, row: Mapping[str, str]) -> float:
    if text := row.get("weight"):
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not 0 < weight <= 1:
            raise DataError(f"{folder / TABLE} gives {row[_FILE]!r} the weight {text!r}.")
        return weight
    doubtful = row.get("part", "").endswith("weak") or "mined" in row.get("label_from", "").lower()
    return MINED_WEIGHT if doubtful else 1.0
