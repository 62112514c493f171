"""A DICOM image's stored values to what is meant to be seen (PS3.4, N.2).

An image has at most 65,536 different stored values, so every step is done to these, and the pixels
are looked up at last.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset

from app.errors import UnreadableImageError
from app.imaging.dicom import attributes, voi
from app.imaging.dicom.lut import Floats, first_table, lookup, table
from app.imaging.dicom.stored import Stored, Values

_PALETTE = "PALETTE COLOR"
# The Presentation LUT Shapes that they stand for (PS3.3, C.8.11.3.1.2).
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
_COLOURS = ("Red", "Green", "Blue")
_COUNTED_AT_ONCE = 2**22
_MOST_SIGNED = 2**15 - 1

Codes = npt.NDArray[np.unsignedinteger[Any]]
Gray = npt.NDArray[np.uint8]


def to_gray(stored: Stored, dataset: Dataset) -> Gray:
    """Stored values as they are meant to be seen: modality LUT, VOI LUT or window, polarity.

    Args:
        stored: 8 or 16 bits, `[height, width]` or `[height, width, 3]`.
        dataset: whose LUTs, window, polarity and padding apply.

    Returns:
        uint8 `[height, width]`, higher is brighter. Padding is black, colour becomes luma.

    Raises:
        UnreadableImageError: colour of more than 8 bits, or a LUT that is missing or too short.
    """
    found = stored.values
    if found.ndim == 3:
        if found.dtype != np.uint8:
            raise UnreadableImageError("The DICOM image has colours of more than 8 bits.")
        colours = found.view(np.uint8)
        return colours[..., 0].copy() if stored.is_luma_first else _luma(colours)
    native = np.ascontiguousarray(found)
    codes: Codes = native.view(f"u{native.itemsize}")
    # Every value that could be stored, in the order of its bits read as an unsigned number.
    values = np.arange(2 ** (8 * native.itemsize)).astype(codes.dtype).view(native.dtype)
    if _photometric(dataset) == _PALETTE:
        return _palette(values.astype(np.float64), dataset)[codes]
    return _monochrome(values, codes, stored.bits, dataset)[codes]


def contradicts_itself(dataset: Dataset) -> bool:
    """Whether the Presentation LUT Shape inverts and the Photometric Interpretation does not."""
    said = _SHAPES.get(_photometric(dataset))
    return said is not None and _shape(dataset) not in (None, said)


def _monochrome(values: Values, codes: Codes, bits: int, dataset: Dataset) -> Gray:
    """The gray of each stored value, uint8 `[values]`."""
    padding = _padding(values, dataset)
    # What float64 does not hold fails, rather than coming out black.
    with np.errstate(over="raise", invalid="raise"):
        seen = _modality(values.astype(np.float64), dataset)
        shown = voi.apply(seen, dataset, little_endian=_little_endian(dataset))
        if shown is None:
            shown = voi.stretched(seen, *_range(seen, values, codes, padding, bits))
    gray = np.rint(255 * shown).astype(np.uint8)
    # The shape has the last word, as viewers have it.
    if (_shape(dataset) or _SHAPES[_photometric(dataset)]) == "INVERSE":
        gray = 255 - gray
    gray[padding] = 0
    return gray


def _photometric(dataset: Dataset) -> str:
    return attributes.code(dataset, "PhotometricInterpretation")


def _shape(dataset: Dataset) -> str | None:
    """The Presentation LUT Shape, where it is one that has a polarity."""
    shape = attributes.code(dataset, "PresentationLUTShape")
    return shape if shape in _SHAPES.values() else None


def _modality(values: Floats, dataset: Dataset) -> Floats:
    """Stored values in the units of the modality (PS3.3, C.11.1)."""
    found = first_table(dataset, "ModalityLUTSequence")
    if found:
        return lookup(values, *found, little_endian=_little_endian(dataset))[0]
    # A slope of 0 would leave nothing to be seen: it stands for none.
    slope = attributes.number(dataset, "RescaleSlope") or 1
    return values * slope + (attributes.number(dataset, "RescaleIntercept") or 0)


def _padding(values: Values, dataset: Dataset) -> npt.NDArray[np.bool_]:
    """Which stored values are padding, not image (PS3.3, C.7.5.1.1.2)."""
    value = attributes.whole(dataset, "PixelPaddingValue")
    if value is None:
        return np.zeros(values.shape, np.bool_)
    limit = attributes.whole(dataset, "PixelPaddingRangeLimit")
    low, high = sorted(
        _of_its_sign(number, values) for number in (value, value if limit is None else limit)
    )
    return (values >= low) & (values <= high)


def _of_its_sign(number: int, values: Values) -> int:
    """A number of 16 bits that may have been read with another sign than the values'."""
    if number > _MOST_SIGNED and values.min() < 0:
        return number - 2**16
    return number + 2**16 if number < 0 <= values.min() else number


def _range(
    seen: Floats,
    values: Values,
    codes: Codes,
    padding: npt.NDArray[np.bool_],
    bits: int,
) -> tuple[float, float]:
    """The black and the white of an image that comes without a window."""
    if bits <= 8:  # as in any other image of 8 bits: as it is
        lowest = -(2 ** (bits - 1)) if values.min() < 0 else 0
        whole = seen[(values >= lowest) & (values < lowest + 2**bits)]
        return float(whole.min()), float(whole.max())
    parts = np.array_split(codes, 1 + codes.size // _COUNTED_AT_ONCE)
    counts = sum(
        (np.bincount(part.ravel(), minlength=len(values)) for part in parts),
        start=np.zeros(len(values), np.intp),
    )
    counts[padding] = 0
    return voi.robust_range(seen, counts)


def _palette(values: Floats, dataset: Dataset) -> Gray:
    """The luma of each entry of a palette, uint8 `[values]` (PS3.3, C.7.6.3.1.5)."""
    tables = [
        table(
            dataset,
            f"{colour}PaletteColorLookupTableDescriptor",
            f"{colour}PaletteColorLookupTableData",
        )
        for colour in _COLOURS
    ]
    if not all(tables):
        raise UnreadableImageError("The DICOM image's palette is missing or segmented.")
    looked_up = [
        lookup(values, *found, little_endian=_little_endian(dataset)) for found in tables if found
    ]
    # Of 8 bits or of 16, all colours alike.
    whole = 1 if max(bits for _, bits in looked_up) <= 8 else 2**8
    channels = [(entries // whole).astype(np.uint8) for entries, _ in looked_up]
    luma: Gray = _luma(np.stack(channels, axis=-1)[np.newaxis])[0]
    return luma


def _luma(colours: Gray) -> Gray:
    """uint8 `[height, width, 3]` to ITU-R 601's luma, as other image files' colour becomes."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))


def _little_endian(dataset: Dataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_little_endian)
