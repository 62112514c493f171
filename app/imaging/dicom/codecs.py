"""Compressed or not, a DICOM frame to the values that are stored (PS3.5, section 8 and annex A).

Decoders were chosen by licence and by what mutated files did to them. Pillow reads JPEG 2000,
imagecodecs (libjpeg-turbo, CharLS) JPEG and JPEG-LS. pydicom's own frame knows GDCM for the latter,
which a broken JPEG ends the process of, and pylibjpeg-libjpeg, which is under the GPL; it logs what
a decoder raises, and takes the sign and the colours from the decoder or from the data set.
"""

import struct
from collections.abc import Callable
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from app.errors import UnreadableImageError
from app.imaging.dicom import attributes, rle
from app.imaging.dicom.codestream import Frame, frame_of
from app.imaging.dicom.file import unread_compression
from app.imaging.dicom.stored import Samples, Stored, stored
from app.imaging.jpeg import END_OF_IMAGE

_SUBSAMPLED = "YBR_FULL_422"
# Their first sample is the luma of ITU-R 601 (PS3.3, C.7.6.3.1.2).
_LUMA_FIRST = ("YBR_FULL", _SUBSAMPLED)
# An item of encapsulated pixel data, and what ends them (PS3.5, A.4).
_ITEM, _DELIMITER = 0xE000FFFE, 0xE0DDFFFE
_ITEM_HEADER = struct.Struct("<LL")
_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51")


def _decode_jpeg(codestream: bytes, frame: Frame) -> Samples:
    # The same colour space in and out: nothing is converted.
    space = "GRAYSCALE" if frame.samples == 1 else "RGB"
    return imagecodecs.jpeg8_decode(codestream, colorspace=space, outcolorspace=space)


def _decode_jpeg_ls(codestream: bytes, frame: Frame) -> Samples:
    # CharLS takes half a minute to find that a broken frame has no end: so it gets one.
    return imagecodecs.jpegls_decode(codestream + END_OF_IMAGE)


def _decode_jpeg_2000(codestream: bytes, frame: Frame) -> Samples:
    if frame.precision > 8 * (2 if frame.samples == 1 else 1):  # of which Pillow keeps no more
        raise UnreadableImageError("The JPEG 2000 image has too many bits a sample.")
    # Bytes after its end are padding, but part of a tile whose length is left open.
    with Image.open(BytesIO(codestream[: frame.length]), formats=["JPEG2000"]) as image:
        scaled = np.asarray(image)
    # Pillow scales to 8 or 16 bits, and shifts what is signed to begin at 0.
    samples: Samples = np.right_shift(scaled, 8 * scaled.itemsize - frame.precision)
    if frame.is_signed:
        samples = samples ^ samples.dtype.type(2 ** (frame.precision - 1))
    return samples


_NATIVE = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
_DECODERS: dict[str, Callable[[bytes, Frame], Samples]] = {
    JPEGBaseline8Bit: _decode_jpeg,
    JPEGExtended12Bit: _decode_jpeg,
    JPEGLossless: _decode_jpeg,
    JPEGLosslessSV1: _decode_jpeg,
    JPEGLSLossless: _decode_jpeg_ls,
    JPEGLSNearLossless: _decode_jpeg_ls,
    JPEG2000Lossless: _decode_jpeg_2000,
    JPEG2000: _decode_jpeg_2000,
}
# Of several that are offered, a node of the network takes the first.
TRANSFER_SYNTAXES = (
    *_NATIVE,
    JPEGBaseline8Bit,
    JPEG2000Lossless,
    JPEG2000,
    RLELossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)


def decode_frame(dataset: Dataset) -> Stored:
    """Decode the one frame of a dataset whose elements have been checked.

    Raises:
        UnreadableImageError: the pixel data are compressed in a way that is not read, or do not
            hold what the dataset says.
        Exception: whatever a decoder raises when it reads malformed bytes.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in TRANSFER_SYNTAXES:
        raise unread_compression()
    photometric = attributes.code(dataset, "PhotometricInterpretation")
    is_luma_first = photometric in _LUMA_FIRST
    if syntax in _DECODERS:
        codestream = _fragments(dataset.PixelData)
        frame = _checked(frame_of(codestream, syntax), dataset)
        samples = _DECODERS[syntax](codestream, frame)
        if samples.shape[:2] != (dataset.Rows, dataset.Columns):
            raise ValueError("The frame is of another size.")
        if frame.is_ycbcr is not None:
            is_luma_first = frame.is_ycbcr
        precision, is_signed = frame.precision, frame.is_signed
    else:
        samples = _rle(dataset) if syntax == RLELossless else _native(dataset, photometric)
        precision, is_signed = dataset.BitsAllocated, None
    values, bits = stored(samples, dataset, precision=precision, is_signed=is_signed)
    return Stored(values, bits, is_luma_first)


def _checked(frame: Frame, dataset: Dataset) -> Frame:
    if frame != Frame(dataset.Columns, dataset.Rows, dataset.SamplesPerPixel):
        raise UnreadableImageError("The compressed image is not of the size the DICOM file says.")
    return frame


def _native(dataset: Dataset, photometric: str) -> Samples:
    """Uncompressed pixels (PS3.5, 8.1.2 and 8.2, and PS3.3, C.7.6.3.1.3)."""
    rows, columns, samples = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
    little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    size, data = dataset.BitsAllocated // 8, dataset.PixelData
    count = rows * columns * samples
    if photometric == _SUBSAMPLED:
        count = count * 2 // 3
    if len(data) < count * size:
        raise UnreadableImageError("The DICOM file holds fewer pixels than it declares.")
    if not dataset.BitsStored - 1 <= _high_bit(dataset) < dataset.BitsAllocated:
        raise UnreadableImageError("The DICOM image's High Bit does not suit its Bits Stored.")
    if size == 1 and not little_endian and dataset["PixelData"].VR == "OW":
        # Two pixels to a word, whose bytes are exchanged.
        even = data[: len(data) // 2 * 2]
        data = np.frombuffer(even, ">u2").astype("<u2").tobytes()
    found = np.frombuffer(data, f"{'<' if little_endian else '>'}u{size}", count)
    found = found.astype(found.dtype.newbyteorder("="), copy=False)
    if samples == 1:
        return found.reshape(rows, columns)
    if photometric == _SUBSAMPLED:  # two lumas, and the chroma of both
        pairs = found.reshape(-1, 4)
        both = np.stack([pairs[:, [0, 2, 3]], pairs[:, [1, 2, 3]]], axis=1)
        return both.reshape(rows, columns, samples)
    if attributes.whole(dataset, "PlanarConfiguration"):
        return found.reshape(samples, rows, columns).transpose(1, 2, 0)
    return found.reshape(rows, columns, samples)


def _high_bit(dataset: Dataset) -> int:
    high = attributes.whole(dataset, "HighBit")
    return dataset.BitsStored - 1 if high is None else high


def _rle(dataset: Dataset) -> Samples:
    rows, columns, samples = dataset.Rows, dataset.Columns, dataset.SamplesPerPixel
    size = dataset.BitsAllocated // 8
    found = rle.decode(_fragments(dataset.PixelData), rows, columns, samples, size)
    values = found.view(f">u{size}")[..., 0]
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return values[..., 0] if samples == 1 else values


def _fragments(data: bytes) -> bytes:
    """The codestream of the one frame: all fragments, whatever the offset table says.

    Raises:
        ValueError: an item ends after the data.
    """
    offset, parts = 0, []
    while offset + _ITEM_HEADER.size <= len(data):
        tag, length = _ITEM_HEADER.unpack_from(data, offset)
        if tag == _DELIMITER:
            break
        offset += _ITEM_HEADER.size
        if tag != _ITEM or length > len(data) - offset:
            raise ValueError("The pixel data are no items.")
        parts.append(data[offset : offset + length])
        offset += length
    # Some writers leave out the first item, the offset table, which may be empty.
    return b"".join(parts if parts and parts[0].startswith(_STARTS) else parts[1:])
