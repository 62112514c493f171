"""Every transfer syntax, through `decode`."""

from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
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

from app.imaging.decode import decode
from app.imaging.errors import UnreadableImageError
from tests import synthetic
from tests.app.imaging.dicoms import dicom, encoded

CHEST = synthetic.chest(size=(240, 320))
DEEP = CHEST.astype(np.uint16) * 10 + 500
WINDOW: dict[str, Any] = {"WindowCenter": 1500, "WindowWidth": 2000}

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


def difference(one: bytes, other: bytes) -> float:
    pixels = [decode(data).pixels.astype(int) for data in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).max())


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless(syntax: UID, bits: int) -> None:
    pixels = CHEST if bits == 8 else (CHEST.astype(np.uint16) << (bits - 8)) + 1
    stored: dict[str, Any] = {"BitsStored": bits, "HighBit": bits - 1}
    assert difference(dicom(pixels, syntax=syntax, **stored), dicom(pixels, **stored)) == 0


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_lossless_signed(syntax: UID) -> None:
    pixels = (DEEP.astype(np.int16) - 1500).astype(np.int16)
    assert difference(dicom(pixels, syntax=syntax), dicom(pixels)) == 0


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_lossless_colour(syntax: UID) -> None:
    pixels = np.stack([CHEST, CHEST // 2, 255 - CHEST], axis=-1)
    assert difference(dicom(pixels, syntax=syntax), dicom(pixels)) == 0


@pytest.mark.parametrize(
    ("syntax", "bits"),
    [
        (JPEGBaseline8Bit, 8),
        (JPEGExtended12Bit, 8),
        (JPEGExtended12Bit, 12),
        (JPEGLSNearLossless, 8),
        (JPEGLSNearLossless, 12),
        (JPEG2000, 8),
        (JPEG2000, 12),
        (JPEG2000, 16),
    ],
    ids=str,
)
def test_lossy(syntax: UID, bits: int) -> None:
    pixels = CHEST if bits == 8 else (CHEST.astype(np.uint16) << (bits - 8)) + 1
    stored: dict[str, Any] = {"BitsStored": bits, "HighBit": bits - 1}
    found, expected = (
        decode(data).pixels.astype(int)
        for data in (dicom(pixels, syntax=syntax, **stored), dicom(pixels, **stored))
    )
    assert np.abs(found - expected).mean() < 1.5


def test_a_frame_may_lie_in_several_fragments() -> None:
    codestream = encoded(DEEP, JPEGLosslessSV1, 16)
    fragments = encapsulate([codestream], fragments_per_frame=3)
    split = dicom(DEEP, syntax=JPEGLosslessSV1, PixelData=fragments, **WINDOW)
    assert difference(split, dicom(DEEP, **WINDOW)) == 0


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_gdcm_KY.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jls_lossy_sample.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jpeg.dcm", "SC_rgb_jpeg_dcmd.dcm"),
    ],
)
def test_files_of_other_writers(name: str, reference: str) -> None:
    assert difference(shipped(name), shipped(reference)) <= 3


def test_a_deflated_file_of_another_writer() -> None:
    assert decode(shipped("image_dfl.dcm")).pixels.shape == (512, 512)


@pytest.mark.parametrize("syntax", [HTJ2KLossless])
def test_a_compression_that_is_not_read(syntax: UID) -> None:
    with pytest.raises(UnreadableImageError, match="compressed in a way that is not read"):
        decode(dicom(CHEST, syntax=syntax, frame=b"\xff\x4f"))


@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless]
)
def test_a_frame_of_another_size(syntax: UID) -> None:
    frame = encoded(CHEST, syntax, 8)
    for rows in (120, 300):
        with pytest.raises(UnreadableImageError, match=r"not of the size|broken"):
            decode(dicom(CHEST, syntax=syntax, frame=frame, Rows=rows))


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEG2000])
def test_a_frame_of_another_compression(syntax: UID) -> None:
    with pytest.raises(UnreadableImageError, match="not compressed as the DICOM file says"):
        decode(dicom(CHEST, syntax=syntax, frame=encoded(CHEST, JPEGLSLossless, 8)))


def shipped(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    with open(path, "rb") as file:
        return file.read()
