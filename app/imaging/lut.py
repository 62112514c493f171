"""Lookup tables as DICOM has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.imaging.errors import UnreadableImageError

Floats = npt.NDArray[np.float64]

_MOST_ENTRIES = 2**16
_FIRST_NEGATIVE = 2**15


def lookup(
    values: Floats, descriptor: Sequence[int], data: bytes | Any, *, little_endian: bool
) -> tuple[Floats, int]:
    """Look values up in a table; those before or after it get its first or last entry.

    A modality LUT (PS3.3, C.11.1.1), a VOI LUT (C.11.2.1.1) or a colour of a palette (C.7.6.3.1.5
    and C.7.6.3.1.6).

    Args:
        values: every value there can be, float64 `[values]`.
        descriptor: the number of entries, the first value that is mapped, the bits of an entry.
        data: the entries, as bytes or as numbers.
        little_endian: the order of the bytes.

    Returns:
        The entries for the values, float64 `[values]`, and the bits that each entry has.

    Raises:
        UnreadableImageError: the table is shorter than its descriptor says.
    """
    count, first, bits = (int(number) for number in descriptor)
    # 0 stands for 65,536, and a number over 32,767 may have been read as a negative one.
    count = count % _MOST_ENTRIES or _MOST_ENTRIES
    if first >= _FIRST_NEGATIVE and values.min() < 0:
        first -= _MOST_ENTRIES
    if not isinstance(data, bytes):
        table = np.atleast_1d(np.asarray(data))
    elif len(data) >= 2 * count:
        table = np.frombuffer(data, "<u2" if little_endian else ">u2", count)
    else:  # two entries to a word
        table, bits = np.frombuffer(data, np.uint8), 8
    if len(table) < count:
        raise UnreadableImageError("A lookup table of the DICOM image is shorter than it says.")
    index = np.clip(np.rint(values) - first, 0, count - 1).astype(np.intp)
    return table[index].astype(np.float64), bits
