"""Lookup tables as DICOM has them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from app.errors import UnreadableImageError
from app.imaging.dicom import attributes

Floats = npt.NDArray[np.float64]

_MOST_ENTRIES = 2**16
_FIRST_NEGATIVE = 2**15
# Devices forget an entry or two, for which the last one stands, as other programs have it.
_MOST_MISSING = 0.01


class Table(NamedTuple):
    """A lookup table as its elements have it.

    Attributes:
        descriptor: the number of entries, and the first value that is mapped.
        data: the entries, as bytes or as numbers.
    """

    descriptor: Sequence[int]
    data: Any


def first_table(dataset: Dataset, keyword: str) -> Table | None:
    """The first table in a sequence of them; an item without a table counts as absent."""
    found = (table(item, "LUTDescriptor", "LUTData") for item in attributes.items(dataset, keyword))
    return next(filter(None, found), None)


def table(dataset: Dataset, descriptor: str, data: str) -> Table | None:
    """The table that two elements make, or None where one is absent or cannot be read."""
    numbers = attributes.values(dataset, descriptor)
    if len(numbers) < 2 or not all(isinstance(number, int) for number in numbers):
        return None
    entries = attributes.value(dataset, data)
    return Table(numbers, entries) if entries not in (None, b"", "", []) else None


def lookup(
    values: Floats, descriptor: Sequence[int], data: bytes | Any, *, little_endian: bool
) -> tuple[Floats, int]:
    """Look values up in a table; those before or after it get its first or last entry.

    A modality LUT (PS3.3, C.11.1.1), a VOI LUT (C.11.2.1.1) or a colour of a palette (C.7.6.3.1.5
    and C.7.6.3.1.6).

    Args:
        values: every value there can be, float64 `[values]`.
        descriptor: the number of entries, and the first value that is mapped. The bits of an entry,
            which follow, are not believed: many are those of the image.
        data: the entries, as bytes or as numbers.
        little_endian: the order of the bytes.

    Returns:
        The entries for the values, float64 `[values]`, and the bits that an entry has: 8 where two
        share a word, else the smallest number that holds every entry.

    Raises:
        UnreadableImageError: more entries are missing than a few.
    """
    count, first = (int(number) for number in descriptor[:2])
    # 0 stands for 65,536, and a number over 32,767 may have been read as a negative one.
    count = count % _MOST_ENTRIES or _MOST_ENTRIES
    if first >= _FIRST_NEGATIVE and values.min() < 0:
        first -= _MOST_ENTRIES
    if first + count <= 0 <= values.min():
        first += _MOST_ENTRIES
    entries = _entries(data, count, little_endian=little_endian)
    if len(entries) == 0 or count - len(entries) > _MOST_MISSING * count:
        raise UnreadableImageError("A lookup table of the DICOM image is shorter than it says.")
    index = np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.intp)
    bits = 8 if entries.itemsize == 1 else int(entries.max()).bit_length()
    return entries[index].astype(np.float64), bits


def _entries(data: Any, count: int, *, little_endian: bool) -> npt.NDArray[np.integer[Any]]:
    if not isinstance(data, bytes):
        # Those over 32,767 may have been read as negative ones.
        return np.atleast_1d(np.asarray(data, np.int64))[:count] % _MOST_ENTRIES
    if len(data) in (count, count + count % 2) and len(data) < 2 * count:
        return np.frombuffer(data, np.uint8, count)  # two entries to a word
    return np.frombuffer(data, "<u2" if little_endian else ">u2", min(count, len(data) // 2))
