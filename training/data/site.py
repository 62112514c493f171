"""A site's own labels, joined to what the model answered to its images.

The labels are a CSV file in UTF-8 with a header, its columns separated by commas, semicolons or tabs.
Those of the RSNA's challenge and of *ChestX-ray14* are known by their columns, and read as
`training.data.datasets` reads them. Any other table has

| column | | |
| --- | --- | --- |
| `file`, `sop_instance_uid` or `sha256` | required | which image it is. A file is named as the table of answers has it, or by the end of that: `17/xray.dcm` is `/data/17/xray.dcm` |
| `label` | required | `NORMAL` or `PNEUMONIA`; an image without one is left out |
| `patient` | | whose image it is, anything that tells patients apart. Empty: nobody else's |
| `age`, `sex`, `view` | | as in `training.data.datasets.table` |
| `manufacturer` | | of the device |

What a DICOM file says of these counts where the table says nothing, as long as the file is there.
"""  # noqa: E501 - a row of a table is a line

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from app.archive.row import Row
from app.imaging.dicom.age import years_of
from training.data.datasets import attributes, nih, rsna
from training.data.datasets.tables import read_columns, read_table, tell
from training.data.labelled import LABELS, DataError, Sample

_FILE = "file"
_NAMES = (_FILE, "sop_instance_uid", "sha256")
# By the column, what the header of a DICOM image calls it.
_ATTRIBUTES = {
    "patient": "PatientID",
    "age": "PatientAge",
    "sex": "PatientSex",
    "view": "ViewPosition",
    "manufacturer": "Manufacturer",
}


class _Label(NamedTuple):
    """A line: the image's name, and what is said of it."""

    name: str
    sample: Sample


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
    column, lines = _read(labels)
    known = _by_name(rows, column)
    found: dict[int, Sample] = {}
    without_row = 0
    for name, sample in lines:
        indices = known.get(name, set())
        if len({rows[index].sha256 for index in indices}) > 1:
            raise DataError(f"{labels}: {name!r} is the end of several files' names; give more.")
        if not indices:
            without_row += 1
            continue
        first = found.setdefault(min(indices), sample)
        if first.label != sample.label:
            raise DataError(f"{labels}: {name!r} has two labels that contradict each other.")
    answered = {index: sample for index, sample in found.items() if rows[index].label}
    site = Site(
        answered=[rows[index] for index in answered],
        samples=[_completed(sample, rows[index]) for index, sample in answered.items()],
        failed=[rows[index] for index in found if index not in answered],
        without_row=without_row,
        without_label=len({row.sha256 for row in rows}) - len(found),
    )
    for label, title in enumerate(LABELS):
        if all(sample.label != label for sample in site.samples):
            unread = (
                f" {without_row} labels are of images that were not read." if without_row else ""
            )
            raise DataError(f"{labels}: no image that was answered has the label {title}.{unread}")
    return site


def _read(path: Path) -> tuple[str, list[_Label]]:
    """The column that names the images, and the lines."""
    columns = set(read_columns(path))
    if columns >= nih.COLUMNS:
        return _FILE, [_published(sample) for sample in nih.named(path)]
    if any(columns >= known for known in rsna.COLUMNS):
        return _FILE, [_published(sample) for sample in rsna.named(path)]
    column = next((name for name in _NAMES if name in columns), None)
    if column is None or "label" not in columns:
        raise DataError(
            f"{path} needs a column label, and one of {', '.join(_NAMES)}, unless it is the RSNA's "
            "or NIH's."
        )
    rows = [
        {key: value.strip() for key, value in row.items() if key and value}
        for row in read_table(path, (column, "label"))
    ]
    labelled = [row for row in rows if row.get("label")]
    if missing := len(rows) - len(labelled):
        tell(path, f"left out {missing:,} of {len(rows):,} lines, which have no label")
    return column, [_own(path, row.get(column, ""), row) for row in labelled]


def _published(sample: Sample) -> _Label:
    """Of a published set, whose table does not say the manufacturer, a site's source."""
    return _Label(sample.path.name, replace(sample, source=""))


def _own(path: Path, name: str, row: Mapping[str, str]) -> _Label:
    label = row["label"]
    if label not in LABELS:
        raise DataError(f"{path}: {name!r} has the label {label!r}, not {' or '.join(LABELS)}.")
    sample = Sample(Path(name), LABELS.index(label), row.get("patient", ""))
    return _Label(name, _with(sample, row))


def _by_name(rows: Sequence[Row], column: str) -> Mapping[str, set[int]]:
    """The rows by each name that the labels may give them."""
    known = defaultdict(set)
    for index, row in enumerate(rows):
        for name in _names(row, column):
            known[name].add(index)
    return known


def _names(row: Row, column: str) -> Iterator[str]:
    if column != _FILE:
        if name := getattr(row, column):
            yield name
        return
    parts = row.path.split("/")
    yield from ("/".join(parts[start:]) for start in range(len(parts)))


def _completed(sample: Sample, row: Row) -> Sample:
    """The sample of a row, with what the file's header says where the labels say nothing."""
    header = _header(row)
    patient = sample.patient or header.get("patient") or str(row.sha256)
    return _with(replace(sample, path=Path(row.path), patient=patient), header)


def _with(sample: Sample, said: Mapping[str, str]) -> Sample:
    """The sample, and what is said of what it lacks, by the columns' names."""
    years = years_of(said.get("age", "")) if sample.age is None else sample.age
    return replace(
        sample,
        source=sample.source or said.get("manufacturer", ""),
        population=attributes.population(years),
        view=sample.view or attributes.view(said.get("view", "")),
        sex=sample.sex or attributes.sex(said.get("sex", "")),
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
