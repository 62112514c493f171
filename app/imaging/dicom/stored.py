"""A decoder's samples to the values that are stored (PS3.5, 8.1.1, and PS3.3, C.7.6.3.1).

Decoders differ in what they do with the bits that are no part of the pixel, and with the sign. So
each gives its samples as they come, and here this is settled once, for every transfer syntax.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from app.imaging.dicom import attributes

Values = npt.NDArray[np.integer[Any]]
Samples = npt.NDArray[np.unsignedinteger[Any]]

# More rows tell no more of how smooth an image is.
_COMPARED_ROWS = 256


@dataclass(frozen=True)
class Stored:
    """The stored values of a frame.

    Attributes:
        values: uint8, uint16, int8 or int16 `[rows, columns]`, or unsigned and
            `[rows, columns, 3]`.
        bits: as many as a value has at most: those above are no part of it.
        is_luma_first: whether the first of three samples is the luma, or all of them are red,
            green and blue.
    """

    values: Values
    bits: int
    is_luma_first: bool = False


def stored(
    samples: Samples, dataset: Dataset, *, precision: int, is_signed: bool | None = None
) -> tuple[Values, int]:
    """Mask what is no part of the pixel, and extend the sign.

    A codestream that has fewer bits than Bits Stored, or another sign than Pixel Representation
    says, contradicts its data set. Then the image is what is the smoother one: values that are
    read with the wrong sign break off where they pass from the lowest to the highest.

    Args:
        samples: as they were decoded, each in its lowest `precision` bits.
        dataset: whose Bits Stored, High Bit and Pixel Representation apply.
        precision: the bits of a sample.
        is_signed: whether the codestream says so; None where it cannot tell.

    Returns:
        The values, and the bits that they have.

    Raises:
        ValueError: the Pixel Representation is neither of the two.
    """
    bits = min(dataset.BitsStored, precision)
    unsigned: Samples = np.right_shift(samples, _unused_below(dataset, precision))
    unsigned &= 2**bits - 1
    if unsigned.ndim == 3:
        return (unsigned.astype(np.uint8) if bits <= 8 else unsigned), bits
    if dataset.PixelRepresentation not in (0, 1):
        raise ValueError("The Pixel Representation is neither of the two.")
    says_signed = dataset.PixelRepresentation == 1
    if is_signed is None:
        contradicted = says_signed and precision < dataset.BitsStored
    else:
        contradicted = is_signed != says_signed
    if not says_signed and not contradicted:
        return unsigned, bits
    signed = _extended(unsigned, bits)
    if contradicted:
        # The data set is right where it makes no difference.
        one, other = (signed, unsigned) if says_signed else (unsigned, signed)
        return (other if _roughness(other) < _roughness(one) else one), bits
    return signed, bits


def _unused_below(dataset: Dataset, precision: int) -> int:
    """The bits below the pixel's, in files of old devices (PS3.5, 8.1.1 before 2014)."""
    lowest = (attributes.whole(dataset, "HighBit") or 0) + 1 - dataset.BitsStored
    # A codestream of fewer bits has none of them.
    return lowest if 0 < lowest <= precision - dataset.BitsStored else 0


def _extended(unsigned: Samples, bits: int) -> Values:
    """Two's complement of some bits as signed values."""
    spare = 8 * unsigned.itemsize - bits
    shifted = (unsigned << spare).view(f"i{unsigned.itemsize}")
    extended: Values = shifted >> spare
    return extended


def _roughness(values: Values) -> int:
    """How much neighbours in a row differ, all in all."""
    rows = values[:: -(-len(values) // _COMPARED_ROWS)]
    return int(np.abs(np.diff(rows.astype(np.int32), axis=1)).sum(dtype=np.int64))
