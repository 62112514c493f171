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
from app.imaging import depth
from app.imaging.depth import Depth, Scale
from app.imaging.dicom import attributes, voi
from app.imaging.dicom.lut import Floats, first_table, lookup, table
from app.imaging.dicom.stored import Stored, Values

_PALETTE = "PALETTE COLOR"
# The Presentation LUT Shapes that they stand for (PS3.3, C.8.11.3.1.2).
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
_COLOURS = ("Red", "Green", "Blue")
_BYTE = 8
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
    values, codes = _coded(found)
    if _photometric(dataset) == _PALETTE:
        return _palette(values.astype(np.float64), dataset)[codes]
    return _monochrome(values, codes, stored.bits, dataset)[codes]


def to_depth(stored: Stored, dataset: Dataset) -> Depth:
    """Stored values with all of their grays, and the window that `to_gray` shows them through.

    The units are those of the modality. Where a VOI LUT or a sigmoid applies, 0 is its black and 1
    its white.

    Args:
        stored: as for `to_gray`.
        dataset: likewise.

    Raises:
        UnreadableImageError: as `to_gray`.
    """
    if stored.values.ndim == 3 or _photometric(dataset) == _PALETTE:
        return depth.of_bytes(to_gray(stored, dataset))
    values, codes = _coded(stored.values)
    padding = _padding(values, dataset)
    counts = _counts(codes, padding)
    # What float64 does not hold fails, as in `to_gray`.
    with np.errstate(over="raise", invalid="raise"):
        seen = _modality(values.astype(np.float64), dataset)
        ends = voi.ends(dataset)
        if ends is None:
            shown = voi.apply(seen, dataset, little_endian=_little_endian(dataset))
            if shown is not None:
                seen, ends = shown, (0.0, 1.0)
            elif stored.bits <= _BYTE:
                ends = _whole_range(seen, values, stored.bits)
            else:
                ends = voi.robust_range(seen, counts)
        found = seen[counts > 0] if counts.any() else np.zeros(1)
        scale = Scale(float(found.min()), float(found.max()), _is_inverse(dataset))
        levels = scale.apply(seen)
    levels[padding] = 0
    return scale.depth(levels[codes], *ends)


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
            if bits <= _BYTE:  # as in any other image of 8 bits: as it is
                ends = _whole_range(seen, values, bits)
            else:
                ends = voi.robust_range(seen, _counts(codes, padding))
            shown = voi.stretched(seen, *ends)
    gray = np.rint(255 * shown).astype(np.uint8)
    if _is_inverse(dataset):
        gray = 255 - gray
    gray[padding] = 0
    return gray


def _photometric(dataset: Dataset) -> str:
    return attributes.code(dataset, "PhotometricInterpretation")


def _shape(dataset: Dataset) -> str | None:
    """The Presentation LUT Shape, where it is one that has a polarity."""
    shape = attributes.code(dataset, "PresentationLUTShape")
    return shape if shape in _SHAPES.values() else None


def _is_inverse(dataset: Dataset) -> bool:
    """Whether higher values are darker. The shape has the last word, as viewers have it."""
    return (_shape(dataset) or _SHAPES[_photometric(dataset)]) == "INVERSE"


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


def _coded(stored: Values) -> tuple[Values, Codes]:
    """Every value that could be stored, and which of them each pixel has."""
    native = np.ascontiguousarray(stored)
    codes: Codes = native.view(f"u{native.itemsize}")
    # In the order of a value's bits read as an unsigned number.
    return np.arange(2 ** (8 * native.itemsize)).astype(codes.dtype).view(native.dtype), codes


def _counts(codes: Codes, padding: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """How many of the image's pixels have each value, but for padding."""
    parts = np.array_split(codes, 1 + codes.size // _COUNTED_AT_ONCE)
    counts = sum(
        (np.bincount(part.ravel(), minlength=len(padding)) for part in parts),
        start=np.zeros(len(padding), np.intp),
    )
    counts[padding] = 0
    return counts


def _whole_range(seen: Floats, values: Values, bits: int) -> tuple[float, float]:
    """What the values of an image of so many bits go from and to."""
    lowest = -(2 ** (bits - 1)) if values.min() < 0 else 0
    whole = seen[(values >= lowest) & (values < lowest + 2**bits)]
    return float(whole.min()), float(whole.max())


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
