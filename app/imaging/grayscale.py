"""A DICOM image's stored values to what is meant to be seen (PS3.4, N.2).

An image has at most 65,536 different stored values, so every step is done to these, and the pixels
are looked up at last.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset

from app.imaging import voi
from app.imaging.errors import UnreadableImageError
from app.imaging.lut import Floats, lookup

_PALETTE = "PALETTE COLOR"
_INVERTED = "MONOCHROME1"
# Their first sample is the luma of ITU-R 601 (PS3.3, C.7.6.3.1.2).
_LUMA_FIRST = ("YBR_FULL", "YBR_FULL_422")
_COLOURS = ("Red", "Green", "Blue")
_COUNTED_AT_ONCE = 2**22

Stored = npt.NDArray[np.integer[Any]]
Codes = npt.NDArray[np.unsignedinteger[Any]]
Gray = npt.NDArray[np.uint8]


def to_gray(stored: Stored, photometric: str, dataset: Dataset) -> Gray:
    """Stored values as they are meant to be seen: modality LUT, VOI LUT or window, polarity.

    Args:
        stored: 8 or 16 bits, `[height, width]` or `[height, width, 3]`.
        photometric: the photometric interpretation that they are in.
        dataset: whose LUTs, window and padding apply.

    Returns:
        uint8 `[height, width]`, higher is brighter. Padding is black, colour becomes luma.

    Raises:
        UnreadableImageError: colour of more than 8 bits, or a LUT that is missing or too short.
    """
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise UnreadableImageError("The DICOM image has colours of more than 8 bits.")
        colours = stored.view(np.uint8)
        return colours[..., 0].copy() if photometric in _LUMA_FIRST else _luma(colours)
    native = np.ascontiguousarray(stored, stored.dtype.newbyteorder("="))
    codes: Codes = native.view(f"u{native.itemsize}")
    # Every value that could be stored, in the order of its bits read as an unsigned number.
    values = np.arange(2 ** (8 * native.itemsize)).astype(codes.dtype).view(native.dtype)
    if photometric == _PALETTE:
        return _palette(values.astype(np.float64), dataset)[codes]
    return _monochrome(values, codes, dataset)[codes]


def _monochrome(values: Stored, codes: Codes, dataset: Dataset) -> Gray:
    """The gray of each stored value, uint8 `[values]`."""
    padding = _padding(values, dataset)
    # What float64 does not hold fails, rather than coming out black.
    with np.errstate(over="raise", invalid="raise"):
        seen = _modality(values.astype(np.float64), dataset)
        shown = voi.apply(seen, dataset, little_endian=_little_endian(dataset))
        if shown is None:
            shown = voi.stretched(seen, *_range(seen, values, codes, padding, dataset))
    gray = np.rint(255 * shown).astype(np.uint8)
    if dataset.PhotometricInterpretation == _INVERTED:
        gray = 255 - gray
    gray[padding] = 0
    return gray


def _modality(values: Floats, dataset: Dataset) -> Floats:
    """Stored values in the units of the modality (PS3.3, C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        item = dataset.ModalityLUTSequence[0]
        little_endian = _little_endian(dataset)
        return lookup(values, item.LUTDescriptor, item.LUTData, little_endian=little_endian)[0]
    # A slope of 0 would leave nothing to be seen: it stands for none.
    slope = float(dataset.get("RescaleSlope") or 1)
    return values * slope + float(dataset.get("RescaleIntercept") or 0)


def _padding(values: Stored, dataset: Dataset) -> npt.NDArray[np.bool_]:
    """Which stored values are padding, not image (PS3.3, C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(values.shape, np.bool_)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return (values >= low) & (values <= high)


def _range(
    seen: Floats,
    values: Stored,
    codes: Codes,
    padding: npt.NDArray[np.bool_],
    dataset: Dataset,
) -> tuple[float, float]:
    """The black and the white of an image that comes without a window."""
    bits = dataset.BitsStored
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
    channels = []
    for colour in _COLOURS:
        descriptor = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if not descriptor or not data:
            raise UnreadableImageError("The DICOM image's palette is missing or segmented.")
        entries, bits = lookup(values, descriptor, data, little_endian=_little_endian(dataset))
        channels.append(np.clip(entries // 2 ** (bits - 8), 0, 255).astype(np.uint8))
    luma: Gray = _luma(np.stack(channels, axis=-1)[np.newaxis])[0]
    return luma


def _luma(colours: Gray) -> Gray:
    """uint8 `[height, width, 3]` to ITU-R 601's luma, as other image files' colour becomes."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))


def _little_endian(dataset: Dataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID.is_little_endian)
