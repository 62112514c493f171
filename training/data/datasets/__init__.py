"""Sets of labelled chest X-rays behind one interface; each one's quirks are told in its module."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Protocol, get_args

from training.data.datasets import kermany, nih, rsna, table
from training.data.datasets.tables import among_sets
from training.data.labelled import DataError, Sample

Name = Literal["kermany", "nih", "rsna", "table"]


class Finder(Protocol):
    """What each set's module has."""

    def __call__(self, folder: Path, *, training: bool = False) -> list[Sample]: ...


FINDERS: Mapping[Name, Finder] = {
    "kermany": kermany.find,
    "nih": nih.find,
    "rsna": rsna.find,
    "table": table.find,
}


def find(name: Name, folder: Path, *, training: bool = False) -> list[Sample]:
    """The labelled images of the set in `folder`, by label, then by name.

    Args:
        name: how the folder is laid out.
        folder: what holds the set.
        training: the images to train on, where the set tells them from those to measure on.

    Raises:
        DataError: the folder does not hold the set, or no image of a label.
    """
    return FINDERS[name](folder, training=training)


def find_all(specs: Iterable[str]) -> list[Sample]:
    """The images to train on of several sets, set by set.

    Patients are named as `tables.among_sets` says, so that those of different sets never collide.

    Args:
        specs: `NAME=FOLDER` for each set, such as `kermany=chest_xray` and `table=adult`.

    Raises:
        DataError: a spec is none, or a folder does not hold its set, or no image of a label.
    """
    found = [sample for spec in specs for sample in find(*parse(spec), training=True)]
    return [among_sets(sample) for sample in found]


def parse(spec: str) -> tuple[Name, Path]:
    """The name and the folder of `NAME=FOLDER`.

    Raises:
        DataError: it is not of that form, or there is no such name.
    """
    given, _, folder = spec.partition("=")
    for name in get_args(Name):
        if name == given and folder:
            return name, Path(folder)
    raise DataError(f"{spec!r} is not NAME=FOLDER, NAME one of {', '.join(FINDERS)}.")
