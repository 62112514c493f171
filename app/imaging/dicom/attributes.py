"""Attributes that say more about an image, read as leniently as viewers do.

What cannot be read counts as absent: one odd value must not make an image broken.
"""

import math
import re
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from app.imaging.errors import SHORTAGES

# A comma can only be a decimal point: values are set apart by backslashes (PS3.5, 6.4).
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
# PS3.5, 6.2: what fills a value up to an even length.
_PADDING = " \0"


def value(dataset: Dataset, keyword: str) -> Any:
    """An attribute's value, or its bytes where they are not what its VR allows; None if absent."""
    tag = Tag(keyword)
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except SHORTAGES:
        raise
    # A value may not come out of its bytes, in whichever way.
    except Exception:
        return dataset.get_item(tag).value


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """All values of an attribute, as text where they are not what its VR allows.

    Returns:
        An empty list where the attribute is absent or empty.
    """
    found = value(dataset, keyword)
    if isinstance(found, bytes):
        found = found.decode("latin-1").split("\\")
    if isinstance(found, MultiValue | list | tuple):
        return list(found)
    return [] if found is None else [found]


def number(dataset: Dataset, keyword: str) -> float | None:
    """An attribute's first value, where it is a finite number; a comma is a decimal point."""
    first = next(iter(values(dataset, keyword)), None)
    if isinstance(first, str):
        text = first.strip(_PADDING)
        first = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
    return float(first) if isinstance(first, int | float) and math.isfinite(first) else None


def whole(dataset: Dataset, keyword: str) -> int | None:
    """An attribute's first value, where it is a whole number."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found.is_integer() else None


def code(dataset: Dataset, keyword: str) -> str:
    """An attribute's first value as a code string: in capitals, without blanks around it."""
    first = next(iter(values(dataset, keyword)), "")
    return str(first).strip(_PADDING).upper()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it cannot be read."""
    found = value(dataset, keyword)
    return list(found) if isinstance(found, Sequence) else []
