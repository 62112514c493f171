"""What the sets share that come as a table of labels beside folders of images."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import typer

from training.data import LABELS, DataError, Sample


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; a row that ends early has empty strings.

    Raises:
        DataError: there is no such file, it is not CSV, or it lacks one of `columns`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            for column in columns:
                if column not in (reader.fieldnames or ()):
                    raise DataError(f"{path} has no column {column!r}.")
            return list(reader)
    except FileNotFoundError:
        raise DataError(f"There is no {path}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}.") from error


def join(
    labelled: Mapping[str, tuple[int, str]], files: Iterable[Path], folder: Path
) -> list[Sample]:
    """The labelled images whose files are there, by label, then by name.

    People have part of the archives, so a missing file is no error, but their number is told.

    Args:
        labelled: label and patient by the file's name.
        files: what there is. Of two files of a name the first one counts.
        folder: the set's, for messages.

    Raises:
        DataError: no image of a label is there.
    """
    paths: dict[str, Path] = {}
    for path in sorted(files):
        paths.setdefault(path.name, path)
    samples = [
        Sample(paths[name], label, patient)
        for name, (label, patient) in labelled.items()
        if name in paths
    ]
    for label, title in enumerate(LABELS):
        if not any(sample.label == label for sample in samples):
            raise DataError(f"{folder} holds no {title} image that its table names.")
    if missing := len(labelled) - len(samples):
        tell(folder, f"left out {missing:,} of {len(labelled):,} images, whose files are not there")
    return sorted(samples, key=lambda sample: (sample.label, sample.path.name))


def tell(folder: Path, what: str) -> None:
    """Say on stderr what of a set is not measured."""
    typer.echo(f"{folder}: {what}", err=True)
