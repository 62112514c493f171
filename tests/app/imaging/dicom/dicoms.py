"""DICOM files as scanners and archives write them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileMetaDataset
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSTransferSyntaxes,
    RLELossless,
    generate_uid,
)

from tests import synthetic

# Every transfer syntax that keeps each value, and is written here.
LOSSLESS = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
]

Pixels = npt.NDArray[np.integer[Any]]


def dicom(
    pixels: Pixels,
    *,
    syntax: UID = ExplicitVRLittleEndian,
    frame: bytes | None = None,
    rewrite: Callable[[Dataset], None] | None = None,
    **elements: Any,
) -> bytes:
    """A file of one frame.

    Args:
        pixels: uint8, uint16, int8 or int16 `[height, width]` or `[height, width, 3]`.
        syntax: the transfer syntax.
        frame: stored instead of the pixels, encoded.
        rewrite: makes of the dataset what pydicom would not set.
        elements: by keyword, in addition or instead; None leaves one out.
    """
    bits = 8 * pixels.dtype.itemsize
    image = {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": generate_uid(),
        "PatientName": "Anonymous",
        "Modality": "DX",
        "SamplesPerPixel": 1 if pixels.ndim == 2 else pixels.shape[2],
        "PhotometricInterpretation": "MONOCHROME2" if pixels.ndim == 2 else "RGB",
        "PlanarConfiguration": None if pixels.ndim == 2 else 0,
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    } | elements
    if "PixelData" not in image:
        stored = image["BitsStored"]
        image["PixelData"] = (
            encapsulate([encoded(pixels, syntax, stored) if frame is None else frame])
            if syntax.is_encapsulated
            else pixels.astype(
                pixels.dtype.newbyteorder("<" if syntax.is_little_endian else ">")
            ).tobytes()
        )
    dataset = Dataset()
    for keyword, value in image.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OB" if syntax.is_encapsulated or bits == 8 else "OW"
    if rewrite:
        rewrite(dataset)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def encoded(pixels: Pixels, syntax: UID, bits: int) -> bytes:
    """The pixels as a frame of a compressed transfer syntax, the lossy ones at a high quality."""
    unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
    if syntax == RLELossless:
        height, width = pixels.shape[:2]
        return bytes(
            RLELosslessEncoder.encode(
                np.ascontiguousarray(pixels),
                rows=height,
                columns=width,
                number_of_frames=1,
                samples_per_pixel=1 if pixels.ndim == 2 else 3,
                planar_configuration=0,
                bits_allocated=8 * pixels.dtype.itemsize,
                bits_stored=8 * pixels.dtype.itemsize,
                pixel_representation=int(pixels.dtype.kind == "i"),
                photometric_interpretation="MONOCHROME2" if pixels.ndim == 2 else "RGB",
                encoding_plugin="pydicom",
            )
        )
    if syntax == JPEGBaseline8Bit:
        return synthetic.encode(pixels, ".jpeg")
    if syntax in JPEGLSTransferSyntaxes:
        level = 0 if syntax == JPEGLSLossless else 2
        return bytes(imagecodecs.jpegls_encode(unsigned, level=level))
    if syntax in (JPEG2000Lossless, JPEG2000):
        lossless = syntax == JPEG2000Lossless
        return bytes(
            imagecodecs.jpeg2k_encode(
                pixels,
                level=0 if lossless else 60,
                reversible=lossless,
                codecformat="j2k",
                bitspersample=bits,
            )
        )
    if syntax == JPEGExtended12Bit:
        return bytes(imagecodecs.jpeg8_encode(unsigned, level=98, bitspersample=bits))
    return bytes(imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=1, bitspersample=bits))


def shipped(name: str) -> bytes:
    """A file that comes with pydicom or `pydicom-data`."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:
        return file.read()
