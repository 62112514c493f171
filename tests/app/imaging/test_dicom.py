import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, Sequence

from app.imaging.decode import LOW_RESOLUTION, UnreadableImageError, UnsupportedFormatError
from app.imaging.dicom import decode_dicom, is_dicom
from tests import synthetic
from tests.app.imaging.dicoms import dicom

CHEST = synthetic.chest(size=(240, 320))
DEEP = CHEST.astype(np.uint16) * 10 + 500  # 500 to at most 3,050 of 12 bits
TWELVE_BITS: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}


def windowed(center: float, width: float) -> npt.NDArray[np.uint8]:
    """`DEEP` in a linear window, as PS3.3 C.11.2.1.2.1 writes it."""
    share = (DEEP - (center - 0.5)) / (width - 1) + 0.5
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def lut(table: npt.NDArray[np.integer[Any]], first: int, bits: int) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(table), first, bits])
    item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
    return Sequence([item])


def test_eight_bits_keep_every_pixel() -> None:
    data = dicom(CHEST)
    radiograph = decode_dicom(data)
    assert radiograph.pixels.dtype == np.uint8
    np.testing.assert_array_equal(radiograph.pixels, CHEST)
    assert (radiograph.format, radiograph.warnings) == ("DICOM", ())
    assert radiograph.sha256 == hashlib.sha256(data).hexdigest()


def test_jpeg_baseline() -> None:
    found = decode_dicom(dicom(CHEST, jpeg=True)).pixels
    assert np.abs(found.astype(float) - CHEST).mean() < 1


@pytest.mark.parametrize("jpeg", [False, True])
def test_monochrome1_is_inverted(jpeg: bool) -> None:
    data = dicom(255 - CHEST, jpeg=jpeg, PhotometricInterpretation="MONOCHROME1")
    assert np.abs(decode_dicom(data).pixels.astype(float) - CHEST).mean() < 1


def test_more_bits_are_stretched_without_a_window() -> None:
    values = DEEP.astype(float) - DEEP.min()
    found = decode_dicom(dicom(DEEP, **TWELVE_BITS)).pixels
    np.testing.assert_array_equal(found, np.rint(values * 255 / values.max()))


@pytest.mark.parametrize(("center", "width"), [(1500, 1000), (2048, 4096)])
def test_a_window_is_applied_even_where_the_image_does_not_fill_it(center: int, width: int) -> None:
    data = dicom(DEEP, WindowCenter=center, WindowWidth=width, **TWELVE_BITS)
    assert np.abs(decode_dicom(data).pixels.astype(int) - windowed(center, width)).max() <= 1


@pytest.mark.parametrize(
    "window", [{"WindowCenter": "", "WindowWidth": ""}, {"WindowCenter": 1500}]
)
def test_a_window_that_is_not_whole_is_none(window: dict[str, Any]) -> None:
    expected = decode_dicom(dicom(DEEP, **TWELVE_BITS)).pixels
    found = decode_dicom(dicom(DEEP, **window, **TWELVE_BITS)).pixels
    np.testing.assert_array_equal(found, expected)


def test_the_first_of_several_windows_is_applied() -> None:
    data = dicom(DEEP, WindowCenter=[1500, 100], WindowWidth=[1000, 10], **TWELVE_BITS)
    assert np.abs(decode_dicom(data).pixels.astype(int) - windowed(1500, 1000)).max() <= 1


def test_a_window_is_of_rescaled_values() -> None:
    rescaled: dict[str, Any] = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    data = dicom(DEEP, WindowCenter=2000, WindowWidth=2000, **rescaled, **TWELVE_BITS)
    expected = windowed(1500, 1000)
    assert np.abs(decode_dicom(data).pixels.astype(int) - expected).max() <= 1


def test_a_falling_rescale_inverts() -> None:
    data = dicom(DEEP, RescaleSlope=-1, RescaleIntercept=4095, **TWELVE_BITS)
    window = dicom(
        DEEP,
        RescaleSlope=-1,
        RescaleIntercept=4095,
        WindowCenter=2048,
        WindowWidth=4096,
        **TWELVE_BITS,
    )
    for found in (decode_dicom(data).pixels, decode_dicom(window).pixels):
        assert np.corrcoef(found.ravel(), CHEST.ravel())[0, 1] < -0.99


@pytest.mark.parametrize("bits", [8, 12])
def test_a_voi_lut_is_applied_before_a_window(bits: int) -> None:
    table = np.rint(np.linspace(0, 1, 2000) ** 2 * (2**bits - 1)).astype(np.uint16)
    data = dicom(
        DEEP, VOILUTSequence=lut(table, 600, bits), WindowCenter=0, WindowWidth=10, **TWELVE_BITS
    )
    looked_up = table[np.clip(DEEP.astype(int) - 600, 0, 1999)]
    expected = np.rint(looked_up * (255 / (2**bits - 1)))
    np.testing.assert_array_equal(decode_dicom(data).pixels, expected)


def test_voi_lut_entries_beyond_their_bits_are_white() -> None:
    table = np.array([0, 4095, 9000], np.uint16)
    steps = np.repeat(np.array([0, 1, 2], np.uint16), 64)[None].repeat(64, 0)
    found = decode_dicom(dicom(steps, VOILUTSequence=lut(table, 0, 12))).pixels
    assert found[0, ::64].tolist() == [0, 255, 255]


def test_a_uniform_image_becomes_black() -> None:
    assert not decode_dicom(dicom(np.full((64, 64), 700, np.uint16))).pixels.any()


def test_low_resolution() -> None:
    assert decode_dicom(dicom(CHEST[:100, :100])).warnings == (LOW_RESOLUTION,)


@pytest.mark.parametrize("data", [b"", b"DICM", synthetic.encode(CHEST)])
def test_what_is_no_dicom_file_is_an_unsupported_format(data: bytes) -> None:
    assert not is_dicom(data)
    with pytest.raises(UnsupportedFormatError):
        decode_dicom(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (dicom(CHEST, PixelData=None), "holds no image"),
        (dicom(CHEST[:120], Rows=60, NumberOfFrames=2), "several frames"),
        (dicom(CHEST, PhotometricInterpretation="PALETTE COLOR"), "not grayscale"),
        (dicom(CHEST, PhotometricInterpretation=None), "broken"),
        (dicom(CHEST, BitsAllocated=7), "broken"),
        (dicom(CHEST, Rows=0), "at least 64"),
        (dicom(CHEST[:40]), "320 x 40 pixels; each side needs at least 64"),
        (dicom(CHEST, Rows=60_000, Columns=60_000), "60000 x 60000 pixels; at most 40,000,000"),
        (dicom(CHEST, jpeg=True, Rows=300), "broken"),
        (dicom(CHEST, WindowCenter=5, WindowWidth=0), "broken"),
        (dicom(CHEST)[:-1000], "broken"),
        (dicom(CHEST, jpeg=True)[:-3000], "not all of it"),
        (b"\0" * 128 + b"DICM", "no image"),
        (b"\0" * 128 + b"DICM" + b"nonsense" * 50, "DICOM"),
    ],
)
def test_a_file_that_cannot_be_shown_is_unreadable(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableImageError, match=why):
        decode_dicom(data)


@pytest.mark.parametrize("jpeg", [False, True])
def test_a_truncated_file_is_unreadable_wherever_it_ends(jpeg: bool) -> None:
    data = dicom(CHEST[:80, :80], jpeg=jpeg)
    for end in [*range(132, 700, 7), *range(700, len(data) - 2, 97)]:
        with pytest.raises(UnreadableImageError):
            decode_dicom(data[:end])
