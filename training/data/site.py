"""A site's own labels, joined to what the model answered to its images.

The labels are a CSV file in UTF-8 with a header, its columns separated by commas, semicolons or tabs:

| column | | |
| --- | --- | --- |
| `file`, `sop_instance_uid` or `sha256` | required | which image it is. A file is named as the table of answers has it, or by the end of that: `17/xray.dcm` is `/data/17/xray.dcm` |
| `label` | required | `NORMAL` or `PNEUMONIA` |
| `patient` | | whose image it is, anything that tells patients apart. Empty: nobody else's |
| `age`, `sex`, `view` | | as in `training.data.datasets.table` |
| `manufacturer` | | of the device |

What a DICOM file says of these counts where the table says nothing, as long as the file is there.
"""  # noqa: E501 - a row of a table is a line

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.archive.row import Row
from app.imaging.dicom.age import years_of
from training.data.datasets import attributes
from training.data.labelled import LABELS, DataError, Sample

_NAMES = ("file", "sop_instance_uid", "sha256")
_SEPARATORS = ",;\t"
# By the column, what the header of a DICOM image calls it.
_ATTRIBUTES = {
    "patient": "PatientID",
    "age": "PatientAge",
    "sex": "PatientSex",
    "view": "ViewPosition",
    "manufacturer": "Manufacturer",
}


@dataclass(frozen=True)
class Site:
    """Labelled images and their answers.

    Attributes:
        answered: rows with an answer, N.
        samples: what the labels say of them, N; the source is the manufacturer.
        failed: rows with a label, but with a problem instead of an answer.
        without_row: labels of images that the table of answers does not have.
        without_label: images that have no label.
    """

    answered: list[Row]
    samples: list[Sample]
    failed: list[Row]
    without_row: int
    without_label: int


def join(rows: Sequence[Row], labels: Path) -> Site:
    """Join answers and labels.

    Raises:
        DataError: the labels cannot be read, contradict each other, name what is several images,
            or leave fewer than one answered image of a label.
    """
    column, table = _read(labels)
    known = _by_name(rows, column)
    found: dict[int, dict[str, str]] = {}
    without_row = 0
    for line in table:
        name = line[column]
        indices = known.get(name, set())
        if len({rows[index].sha256 for index in indices}) > 1:
            raise DataError(f"{labels}: {name!r} is the end of several files' names; give more.")
        if line.get("label") not in LABELS:
            raise DataError(f"{labels}: {name!r} has the label {line.get('label')!r}.")
        if not indices:
            without_row += 1
            continue
        first = found.setdefault(min(indices), line)
        if first["label"] != line["label"]:
            raise DataError(f"{labels}: {name!r} has two labels that contradict each other.")
    answered = {index: line for index, line in found.items() if rows[index].label}
    site = Site(
        answered=[rows[index] for index in answered],
        samples=[_sample(rows[index], line) for index, line in answered.items()],
        failed=[rows[index] for index in found if index not in answered],
        without_row=without_row,
        without_label=len({row.sha256 for row in rows}) - len(found),
    )
    for label, title in enumerate(LABELS):
        if all(sample.label != label for sample in site.samples):
            raise DataError(f"{labels}: no image that was answered has the label {title}.")
    return site


def _read(path: Path) -> tuple[str, list[dict[str, str]]]:
    """The column that names the images, and the rows."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            separator = max(_SEPARATORS, key=header.count)
            reader = csv.DictReader(file, restval="", delimiter=separator)
            columns = reader.fieldnames or ()
            names = [name for name in _NAMES if name in columns]
            if not names or "label" not in columns:
                raise DataError(f"{path} needs a column label, and one of {', '.join(_NAMES)}.")
            return names[0], [
                {key: value.strip() for key, value in row.items() if key and value}
                | {names[0]: row[names[0]].strip()}
                for row in reader
            ]
    except FileNotFoundError:
        raise DataError(f"There is no {path}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}.") from error


def _by_name(rows: Sequence[Row], column: str) -> Mapping[str, set[int]]:
    """The rows by each name that the labels may give them."""
    known = defaultdict(set)
    for index, row in enumerate(rows):
        for name in _names(row, column):
            known[name].add(index)
    return known


def _names(row: Row, column: str) -> Iterator[str]:
    if column != "file":
        if name := getattr(row, column):
            yield name
        return
    parts = row.path.split("/")
    yield from ("/".join(parts[start:]) for start in range(len(parts)))


def _sample(row: Row, line: Mapping[str, str]) -> Sample:
    said = {**_header(row), **line}
    years = years_of(said.get("age", ""))
    return Sample(
        Path(row.path),
        LABELS.index(said["label"]),
        said.get("patient") or str(row.sha256),
        source=said.get("manufacturer", ""),
        population=attributes.population(years),
        view=attributes.view(said.get("view", "")),
        sex=attributes.sex(said.get("sex", "")),
        age=years,
    )


def _header(row: Row) -> dict[str, str]:
    """What a DICOM file says of the patient and the view; nothing where it cannot be read."""
    if row.format != "DICOM":
        return {}
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        header = dcmread(row.path, stop_before_pixels=True, specific_tags=[*_ATTRIBUTES.values()])
    except (OSError, InvalidDicomError):
        return {}
    said = {column: str(header.get(name) or "") for column, name in _ATTRIBUTES.items()}
    return {column: value for column, value in said.items() if value}
