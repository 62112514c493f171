"""Sets of labelled chest X-rays behind one interface; each one's quirks are told in its module."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from training.data import Sample
from training.datasets import kermany, nih, rsna

Name = Literal["kermany", "nih", "rsna"]

FINDERS: Mapping[Name, Callable[[Path], list[Sample]]] = {
    "kermany": kermany.find,
    "nih": nih.find,
    "rsna": rsna.find,
}


def find(name: Name, folder: Path) -> list[Sample]:
    """The labelled images of the set in `folder`, by label, then by name.

    Raises:
        DataError: the folder does not hold the set, or no image of a label.
    """
    return FINDERS[name](folder)
