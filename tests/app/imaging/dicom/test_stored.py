"""Bits that are no part of the pixel, and the sign, through `decode`, for every transfer syntax."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from app.imaging.decode import decode
from tests import synthetic
from tests.app.imaging.dicom.dicoms import LOSSLESS, dicom, encoded

CHEST = synthetic.chest(size=(80, 96))
DEEP = CHEST.astype(np.uint16) * 15 + 100  # 100 to at most 3,925 of 12 bits
TWELVE_BITS: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
WINDOW: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
AROUND_0: dict[str, Any] = {"WindowCenter": 0, "WindowWidth": 4096}
JPEG_2000 = [JPEG2000Lossless, JPEG2000]
every_syntax = pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)


def shown(pixels: npt.NDArray[Any], syntax: UID = ExplicitVRLittleEndian, **elements: Any) -> Any:
    return decode(dicom(pixels, syntax=syntax, **elements)).pixels


def in_16_bits(pixels: npt.NDArray[Any], syntax: UID) -> bytes | None:
    """A frame of the syntax that keeps all 16 bits, whatever the data set says is stored."""
    return encoded(pixels, syntax, 16) if syntax.is_encapsulated else None


SHOWN = {
    name: shown(DEEP, **TWELVE_BITS, **window) for name, window in (("window", WINDOW), ("", {}))
}


@every_syntax
@pytest.mark.parametrize("window", ["window", ""])
@pytest.mark.parametrize("above", [0x1000, 0x8000, 0xF000])
def test_bits_above_are_no_part_of_the_pixel(syntax: UID, above: int, window: str) -> None:
    with_more = DEEP.copy()
    with_more[20:40, 30:60] |= above
    elements = TWELVE_BITS | (WINDOW if window else {})
    found = shown(with_more, syntax, frame=in_16_bits(with_more, syntax), **elements)
    np.testing.assert_array_equal(found, SHOWN[window])


@every_syntax
@pytest.mark.parametrize("extended", [True, False])
def test_the_sign_is_the_highest_bit_that_is_stored(syntax: UID, extended: bool) -> None:
    signed = (DEEP.astype(np.int32) - 2048).astype(np.int16)
    if not extended:
        signed &= 0xFFF
    if syntax in JPEG_2000 and not extended:
        pytest.skip("another number to a codestream that is signed")
    frame = in_16_bits(signed, syntax)
    found = shown(signed, syntax, frame=frame, PixelRepresentation=1, **TWELVE_BITS, **AROUND_0)
    np.testing.assert_array_equal(found, SHOWN["window"])


@every_syntax
def test_what_old_devices_align_to_the_left_is_read(syntax: UID) -> None:
    left = DEEP << 4
    found = shown(left, syntax, frame=in_16_bits(left, syntax), BitsStored=12, HighBit=15, **WINDOW)
    np.testing.assert_array_equal(found, SHOWN["window"])


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless])
def test_a_high_bit_that_the_codestream_does_not_have_is_passed_over(syntax: UID) -> None:
    frame = encoded(DEEP, syntax, 12)
    found = shown(DEEP, syntax, frame=frame, BitsStored=12, HighBit=15, **WINDOW)
    np.testing.assert_array_equal(found, SHOWN["window"])


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("stored", [12, 16])
@pytest.mark.parametrize("syntax", JPEG_2000, ids=lambda syntax: syntax.keyword)
def test_a_codestream_knows_its_sign_better(syntax: UID, stored: int, bits: int) -> None:
    """Signed values in a signed codestream, of which the data set says that they are not."""
    signed = (DEEP.astype(np.int32) - 2048).astype(np.int16)
    frame = encoded(signed, JPEG2000Lossless, bits)
    found = shown(
        signed,
        syntax,
        frame=frame,
        PixelRepresentation=0,
        BitsStored=stored,
        HighBit=stored - 1,
        **AROUND_0,
    )
    np.testing.assert_array_equal(found, SHOWN["window"])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_a_data_set_knows_its_sign_better_where_values_wrap(dtype: Any) -> None:
    """Values that an encoder took for what they are not."""
    represented, window = (0, WINDOW) if dtype == np.int16 else (1, AROUND_0)
    values = DEEP.astype(np.int32) - (2048 if represented else 0)
    wrapped = (values & 0xFFF).astype(np.uint16)
    if dtype == np.int16:
        wrapped = ((wrapped << 4).view(np.int16) >> 4).view(np.int16)
    frame = encoded(wrapped, JPEG2000Lossless, 12)
    found = shown(
        wrapped,
        JPEG2000Lossless,
        frame=frame,
        PixelRepresentation=represented,
        **TWELVE_BITS,
        **window,
    )
    np.testing.assert_array_equal(found, SHOWN["window"])


def test_an_unsigned_codestream_that_is_called_signed() -> None:
    frame = encoded(DEEP, JPEG2000Lossless, 12)
    found = shown(
        DEEP, JPEG2000Lossless, frame=frame, PixelRepresentation=1, **TWELVE_BITS, **WINDOW
    )
    np.testing.assert_array_equal(found, SHOWN["window"])


@pytest.mark.parametrize("stored", [8, 12, 16])
@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless]
)
def test_a_codestream_of_8_bits_in_16(syntax: UID, stored: int) -> None:
    frame = encoded(CHEST, syntax, 8)
    elements: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": stored, "HighBit": stored - 1}
    found = shown(CHEST, syntax, frame=frame, **elements)
    np.testing.assert_array_equal(found, shown(CHEST, syntax, frame=frame))


def test_fewer_than_8_bits() -> None:
    pixels = CHEST >> 2
    masked = shown(pixels | 0x80, BitsStored=6, HighBit=5)
    np.testing.assert_array_equal(masked, np.rint(pixels * (255 / 63)))


def test_colours_of_8_bits_in_16() -> None:
    colours = np.stack([CHEST, CHEST // 2, 255 - CHEST], axis=-1)
    found = shown(colours.astype(np.uint16), BitsStored=8, HighBit=7)
    np.testing.assert_array_equal(found, shown(colours))
