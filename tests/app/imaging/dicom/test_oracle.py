"""What is seen and what is decoded, held against other programs' own functions."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from highdicom.pixels import apply_lut, apply_voi_window
from pydicom import Dataset, FileMetaDataset, Sequence, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from app.imaging.dicom import file as dicom_file
from app.imaging.dicom import voi
from app.imaging.dicom.codecs import decode_frame
from app.imaging.dicom.grayscale import to_gray
from app.imaging.dicom.lut import lookup
from app.imaging.dicom.stored import Stored
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom

VALUES = np.arange(4096, dtype=np.uint16)
FLOATS = VALUES.astype(np.float64)
CURVE = np.rint(np.linspace(0, 1, 3000) ** 2 * 4095).astype(np.uint16)


def dataset(**elements: Any) -> Dataset:
    made = Dataset()
    elements = {
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "PixelRepresentation": 0,
    } | elements
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def lut(table: npt.NDArray[np.uint16], first: int) -> Sequence:
    """A table of 12 bits that is described as one of 16, since pydicom knows no other."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(table), first, 16])
    item.add_new("LUTData", "OW", table.tobytes())
    return Sequence([item])


WINDOWS = [(2048, 4096), (1500, 1000), (100.5, 1), (40, 2), (3000, 333.3)]
FUNCTIONS = ["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("center", "width"), WINDOWS)
def test_windows(center: float, width: float, function: str) -> None:
    found = voi.windowed(FLOATS, center, width, function)
    assert found is not None
    data = dataset(WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    np.testing.assert_allclose(found, apply_voi_lut(VALUES, data) / 4095, atol=1e-9)
    others = apply_voi_window(
        FLOATS, window_width=width, window_center=center, voi_lut_function=function
    )
    if not (function == "LINEAR" and width == 1):  # where it divides by 0
        np.testing.assert_allclose(found, others, atol=1e-9)


@pytest.mark.parametrize("first", [0, 700, 65_000])
def test_tables(first: int) -> None:
    found, bits = lookup(FLOATS, [3000, first, 12], CURVE.tobytes(), little_endian=True)
    assert bits == 12
    data = dataset(VOILUTSequence=lut(CURVE, first), ModalityLUTSequence=lut(CURVE, first))
    np.testing.assert_array_equal(found, apply_voi_lut(VALUES, data))
    np.testing.assert_array_equal(found, apply_modality_lut(VALUES, data))
    np.testing.assert_array_equal(found, apply_lut(VALUES, CURVE, first, clip=True))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "elements",
    [
        {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 700, "WindowWidth": 3000},
        {"RescaleSlope": -1, "RescaleIntercept": 4095, "WindowCenter": 2048, "WindowWidth": 4096},
        {"ModalityLUTSequence": lut(CURVE, 500), "WindowCenter": 900, "WindowWidth": 1500},
        {"VOILUTSequence": lut(CURVE, 500), "WindowCenter": 1, "WindowWidth": 5},
        {"RescaleSlope": 1, "RescaleIntercept": 100, "VOILUTSequence": lut(CURVE, 50)},
    ],
)
def test_the_whole_way_to_gray(elements: dict[str, Any], photometric: str) -> None:
    data = dataset(PhotometricInterpretation=photometric, **elements)
    found = to_gray(Stored(VALUES.reshape(64, 64), 12), data)
    seen = apply_voi_lut(apply_modality_lut(VALUES, data), data, prefer_lut=True).astype(float)
    # The output of pydicom's window is as wide as what the stored values can become.
    low, high = (4095 * end * data.get("RescaleSlope", 1) for end in (0, 1))
    low, high = (float(end + data.get("RescaleIntercept", 0)) for end in (low, high))
    if "VOILUTSequence" in data:
        low, high = 0.0, 4095.0
    elif "ModalityLUTSequence" in data:
        low, high = 0.0, 65535.0
    gray = 255 * (seen - low) / (high - low)
    expected = 255 - gray if photometric == "MONOCHROME1" else gray
    np.testing.assert_allclose(found.ravel(), expected, atol=0.51)


CHEST = synthetic.chest(size=(80, 96))
DEEP = CHEST.astype(np.uint16) * 15 + 100
SIGNED = (DEEP.astype(np.int32) - 2048).astype(np.int16)
COLOURS = np.stack([CHEST, CHEST // 2, 255 - CHEST], axis=-1)
DECODERS = ["gdcm", "pylibjpeg", "pydicom"]
CASES: dict[str, tuple[UID, npt.NDArray[Any], int]] = {
    "baseline": (JPEGBaseline8Bit, CHEST, 8),
    "extended": (JPEGExtended12Bit, DEEP, 12),
    "lossless": (JPEGLosslessSV1, DEEP, 12),
    "lossless 16": (JPEGLosslessSV1, DEEP * 16, 16),
    "lossless signed": (JPEGLosslessSV1, SIGNED, 16),
    "JPEG-LS": (JPEGLSLossless, DEEP, 16),
    "JPEG-LS signed": (JPEGLSLossless, SIGNED, 16),
    "near-lossless": (JPEGLSNearLossless, DEEP, 16),
    "JPEG 2000": (JPEG2000Lossless, DEEP, 12),
    "JPEG 2000 signed": (JPEG2000Lossless, SIGNED, 12),
    "JPEG 2000 lossy": (JPEG2000, DEEP, 12),
    "RLE": (RLELossless, DEEP, 16),
    "RLE colour": (RLELossless, COLOURS, 8),
    "JPEG-LS colour": (JPEGLSLossless, COLOURS, 8),
    "JPEG 2000 colour": (JPEG2000Lossless, COLOURS, 8),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_pixels(decoder: str, name: str) -> None:
    syntax, pixels, bits = CASES[name]
    data = dicom(pixels, syntax=syntax, BitsStored=bits, HighBit=bits - 1)
    expected = decoded_by(decoder, data, syntax)
    found = decode_frame(dicom_file.read(data, 0)).values
    # Decoders of what is lossy may round in their own ways.
    tolerance = 0 if syntax not in (JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000) else 2
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=tolerance)


def decoded_by(plugin: str, data: bytes, syntax: UID) -> npt.NDArray[Any]:
    """The pixels as pydicom has them of another decoder; skipped where that is not installed."""
    decoder = get_decoder(syntax)
    # Of which pydicom knows that it does not read it.
    unread = plugin == "gdcm" and syntax == JPEGExtended12Bit
    if plugin not in decoder.available_plugins or unread:
        pytest.skip(f"pydicom has no {plugin} here for {syntax.name}")
    array, _ = decoder.as_array(dcmread(BytesIO(data)), raw=True, decoding_plugin=plugin)
    return np.asarray(array)
