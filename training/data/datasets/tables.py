"""What the sets share that come as a table of labels beside folders of images."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer

from training.data.labelled import LABELS, DataError, Sample

MINED_WEIGHT = 0.3
"""Of a label that a program read in reports. Of *ChestX-ray14*'s "Pneumonia" images that
radiologists of the RSNA's challenge read again, a fifth was normal."""

NIH_PATIENT = "NIH-{:08}"
"""A patient of *ChestX-ray14*, who is the same person in every set that was made from it."""

_SEPARATORS = ",;\t"


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; a row that ends early has empty strings.

    Commas, semicolons or tabs separate the columns: whichever the header has most of.

    Raises:
        DataError: there is no such file, it is not CSV, or it lacks one of `columns`.
    """
    with _reader(path) as reader:
        for column in columns:
            if column not in (reader.fieldnames or ()):
                raise DataError(f"{path} has no column {column!r}.")
        return list(reader)


def read_columns(path: Path) -> Sequence[str]:
    """The header of such a file.

    Raises:
        DataError: there is no such file, or it is not CSV.
    """
    with _reader(path) as reader:
        return reader.fieldnames or ()


@contextmanager
def _reader(path: Path) -> Iterator["csv.DictReader[str]"]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            separator = max(_SEPARATORS, key=header.count)
            yield csv.DictReader(file, restval="", delimiter=separator, strict=True)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(f"There is no {path}.") from None
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file in UTF-8: {error}.") from error


def join(labelled: Iterable[Sample], files: Iterable[Path], folder: Path) -> list[Sample]:
    """The labelled images whose files are there, by label, then by name.

    People have part of the archives, so a missing file is no error, but their number is told.

    Args:
        labelled: each with nothing but its file's name for a path.
        files: what there is. Of two files of a name the first one counts.
        folder: the set's, for messages.

    Raises:
        DataError: no image of a label is there.
    """
    labelled = list(labelled)
    paths: dict[str, Path] = {}
    for path in sorted(files):
        paths.setdefault(path.name, path)
    samples = [
        replace(sample, path=paths[sample.path.name])
        for sample in labelled
        if sample.path.name in paths
    ]
    check(samples, len(labelled) - len(samples), folder)
    return sorted(samples, key=lambda sample: (sample.label, sample.path.name))


def check(samples: Sequence[Sample], missing: int, folder: Path) -> None:
    """Tell how many files a table names that are not there.

    Raises:
        DataError: no image of a label is there.
    """
    for label, title in enumerate(LABELS):
        if not any(sample.label == label for sample in samples):
            raise DataError(f"{folder} holds no {title} image that its table names.")
    if missing:
        total = len(samples) + missing
        tell(folder, f"left out {missing:,} of {total:,} images, whose files are not there")


def among_sets(sample: Sample) -> Sample:
    """The sample with its patient's name among those of other sets, `SOURCE/PATIENT`.

    But a patient of *ChestX-ray14* keeps theirs, since several sets were made from it, and whoever
    is in two of them must not be in two parts of a split.
    """
    if sample.patient.startswith(NIH_PATIENT.partition("{")[0]):
        return sample
    return replace(sample, patient=f"{sample.source}/{sample.patient}")


def tell(folder: Path, what: str) -> None:
    """Say on stderr what of a set is not read."""
    typer.echo(f"{folder}: {what}", err=True)
