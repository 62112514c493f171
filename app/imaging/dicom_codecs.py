"""Compressed or not, a DICOM frame to the values that are stored (PS3.5, section 8 and annex A).

Decoders were chosen by licence and by what mutated files did to them. Pillow reads JPEG baseline
and JPEG 2000, imagecodecs (libjpeg-turbo, CharLS, its own RLE) the rest, for which pydicom knows
GDCM, which a broken JPEG ends the process of, and pylibjpeg-libjpeg, which is under the GPL.
"""

from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from app.imaging.codestream import END_OF_IMAGE, Frame, frame_of
from app.imaging.errors import UnreadableImageError

Stored = npt.NDArray[np.integer[Any]]

_PILLOW, _IMAGECODECS = "pillow", "imagecodecs"
_NATIVE = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
_IMAGECODECS_SYNTAXES = (
    RLELossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    *JPEGLSTransferSyntaxes,
)
_PLUGINS = {
    **dict.fromkeys(_NATIVE, ""),
    **dict.fromkeys((JPEGBaseline8Bit, JPEG2000Lossless, JPEG2000), _PILLOW),
    **dict.fromkeys(_IMAGECODECS_SYNTAXES, _IMAGECODECS),
}
# Uncompressed ones first: of several that are offered, a node of the network takes the first.
TRANSFER_SYNTAXES = tuple(_PLUGINS)
_SUBSAMPLED = "YBR_FULL_422"

# What pydicom asks of a module of decoding plugins, beside `is_available` and the function itself.
DECODER_DEPENDENCIES = dict.fromkeys(_IMAGECODECS_SYNTAXES, (_IMAGECODECS,))


def decode_frame(dataset: Dataset) -> tuple[Stored, str]:
    """Decode the one frame of a dataset whose elements have been checked.

    Returns:
        The stored values, 8 or 16 bits, `[rows, columns]` or `[rows, columns, 3]`, and the
        photometric interpretation that they are in.

    Raises:
        UnreadableImageError: the pixel data are compressed in a way that is not read, or do not
            hold what the dataset says.
        Exception: whatever a decoder raises when it reads malformed bytes.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in _PLUGINS:
        raise UnreadableImageError(
            "The DICOM image is compressed in a way that is not read; send it as JPEG, JPEG-LS, "
            "JPEG 2000, RLE or uncompressed."
        )
    if syntax in _NATIVE:
        _check_native(dataset)
    elif syntax != RLELossless:
        _check_codestream(dataset)
    values, properties = get_decoder(syntax).as_array(
        dataset, index=0, raw=True, decoding_plugin=_PLUGINS[syntax]
    )
    return values, str(properties["photometric_interpretation"])


def _check_native(dataset: Dataset) -> None:
    pixels = dataset.Rows * dataset.Columns
    needed = pixels * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    if dataset.PhotometricInterpretation == _SUBSAMPLED:
        needed = needed * 2 // 3
    if len(dataset.PixelData) < needed:
        raise UnreadableImageError("The DICOM file holds fewer pixels than it declares.")
    if dataset.get("HighBit") not in (None, dataset.BitsStored - 1):
        raise UnreadableImageError("The DICOM image's High Bit is not one less than Bits Stored.")


def _check_codestream(dataset: Dataset) -> None:
    codestream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    declared = Frame(dataset.Columns, dataset.Rows, dataset.SamplesPerPixel)
    if frame_of(codestream, dataset.file_meta.TransferSyntaxUID) != declared:
        raise UnreadableImageError("The compressed image is not of the size the DICOM file says.")


def is_available(syntax: UID) -> bool:
    """Whether `decode_with_imagecodecs` reads a transfer syntax."""
    return syntax in DECODER_DEPENDENCIES


def decode_with_imagecodecs(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame for pydicom, as its guide to decoding plugins asks.

    Colour stays as it is stored: pydicom tells what it is in.

    Raises:
        ValueError: the frame is not of the size that the dataset says.
        Exception: whatever imagecodecs raises when it reads malformed bytes.
    """
    syntax = runner.transfer_syntax
    if syntax == RLELossless:
        length = int(runner.frame_length(unit="bytes"))
        stored = imagecodecs.dicomrle_decode(source, f"<u{runner.bits_allocated // 8}", out=length)
        runner.set_option("planar_configuration", 1)
        return bytes(stored)
    if syntax in JPEGLSTransferSyntaxes:
        # CharLS takes half a minute to find that a broken frame has no end: so it gets one.
        values = imagecodecs.jpegls_decode(source + END_OF_IMAGE)
    else:
        # The same colour space in and out: nothing is converted.
        space = "GRAYSCALE" if runner.samples_per_pixel == 1 else "RGB"
        values = imagecodecs.jpeg8_decode(source, colorspace=space, outcolorspace=space)
    if values.shape[:2] != (runner.rows, runner.columns):
        raise ValueError("The frame is of another size.")
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * values.itemsize)
    return bytes(values.tobytes())


for _syntax in _IMAGECODECS_SYNTAXES:
    get_decoder(_syntax).add_plugin(_IMAGECODECS, (__name__, decode_with_imagecodecs.__name__))
