"""A DICOM file's bytes to grayscale pixels, as `decode` does it with other image files."""

import hashlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from app.imaging.decode import (
    DEFAULT_MAX_PIXELS,
    LOW_RESOLUTION,
    MODEL_SIDE,
    ImageError,
    Radiograph,
    UnreadableImageError,
    UnsupportedFormatError,
    check_not_too_many,
    check_not_too_small,
)

_PREAMBLE = 128
_MAGIC = b"DICM"
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")

Values = npt.NDArray[np.integer[Any]] | npt.NDArray[np.floating[Any]]


def is_dicom(data: bytes) -> bool:
    """Whether the bytes are of a DICOM file (PS3.10, section 7.1)."""
    return data[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC


def decode_dicom(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> Radiograph:
    """Decode a DICOM file of one grayscale frame, as it is meant to be displayed.

    The modality LUT and the first VOI LUT or window are applied. Without these, 8 bits stay as
    they are, and more are stretched from the image's own minimum and maximum. MONOCHROME1 is
    inverted. Pixels may be uncompressed, RLE, JPEG baseline or JPEG 2000.

    Raises:
        UnsupportedFormatError: the bytes are not of a DICOM file.
        UnreadableImageError: broken, truncated, compressed otherwise, no image, in colour, of
            several frames, a side under 64 pixels, or over `max_pixels`.
    """
    if not is_dicom(data):
        raise UnsupportedFormatError("The file is not a DICOM file.")
    try:
        dataset = dcmread(BytesIO(data))
        _check(dataset, max_pixels)
        pixels = _grayscale(dataset)
    except ImageError:
        raise
    # pydicom, too, answers malformed bytes with errors of many types.
    except Exception as error:
        message = "The DICOM image is broken, truncated, or compressed in a way that is not read."
        raise UnreadableImageError(message) from error
    warnings = (LOW_RESOLUTION,) if min(pixels.shape) < MODEL_SIDE else ()
    return Radiograph(pixels, "DICOM", hashlib.sha256(data).hexdigest(), warnings)


def _check(dataset: Dataset, max_pixels: int) -> None:
    if "PixelData" not in dataset:
        raise UnreadableImageError("The DICOM file holds no image, or not all of it.")
    if (dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableImageError("The DICOM file holds several frames; only one is read.")
    if dataset.PhotometricInterpretation not in _MONOCHROME:
        raise UnreadableImageError("The DICOM image is not grayscale.")
    check_not_too_many(dataset.Columns, dataset.Rows, max_pixels)
    check_not_too_small(dataset.Columns, dataset.Rows)


def _grayscale(dataset: Dataset) -> npt.NDArray[np.uint8]:
    values = apply_modality_lut(dataset.pixel_array, dataset)
    if dataset.get("VOILUTSequence"):
        shown, black, white = _through_lut(values, dataset.VOILUTSequence[0])
    elif None not in (dataset.get("WindowCenter"), dataset.get("WindowWidth")):
        shown = apply_windowing(values, dataset)
        # Not the ends of `shown`: an image need not reach the ends of its window.
        black, white = apply_windowing(np.array([-np.inf, np.inf]), dataset)
    elif values.dtype == np.uint8:
        shown, black, white = values, 0, 255
    else:
        shown, black, white = values, np.min(values), np.max(values)
    gray = (shown.astype(np.float64) - black) * (255 / (float(white - black) or 1.0))
    pixels = np.rint(np.clip(gray, 0, 255)).astype(np.uint8)
    return 255 - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels


def _through_lut(values: Values, lut: Dataset) -> tuple[Values, int, int]:
    """Values looked up in an item of the VOI LUT Sequence (PS3.3, C.11.2.1.1), and its range.

    pydicom's own `apply_voi` counts the entries of an 8-bit table in 8 bits, so it reads a table
    of 4,096 entries as one of 256.
    """
    _, first, bits = lut.LUTDescriptor
    data = lut.LUTData
    table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data)
    index = np.clip(values - float(first), 0, len(table) - 1).astype(np.intp)
    return table[index], 0, 2**bits - 1
