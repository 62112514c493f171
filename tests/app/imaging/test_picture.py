"""An image with all of its gray values: seen through its window, it is what the model sees."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from app.errors import UnreadableImageError, UnsupportedFormatError
from app.imaging.decode import decode
from app.imaging.depth import Depth
from app.imaging.picture import picture
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.imaging.dicom.test_grayscale import (
    CHEST,
    DEEP,
    SIGNED,
    TWELVE_BITS,
    WINDOW,
    lut,
    palette,
)

SIDE = 2048


def values(found: Depth) -> npt.NDArray[np.floating[Any]]:
    """In the image's units."""
    return found.pixels * found.slope + found.intercept


def seen(found: Depth) -> npt.NDArray[np.uint8]:
    """Through the window that comes with it, 8 bits."""
    share = np.clip((values(found) - found.center) / found.width + 0.5, 0, 1)
    return np.rint(255 * (1 - share if found.slope < 0 else share)).astype(np.uint8)


CURVE = (np.linspace(0, 1, 4096) ** 2 * 4095).astype(np.uint16)


@pytest.mark.parametrize(
    "data",
    [
        dicom(DEEP, **TWELVE_BITS, **WINDOW),
        dicom(DEEP, **TWELVE_BITS, **WINDOW, VOILUTFunction="LINEAR_EXACT"),
        dicom(DEEP, **TWELVE_BITS, **WINDOW, VOILUTFunction="SIGMOID"),
        dicom(DEEP, **TWELVE_BITS, WindowCenter=1500.5, WindowWidth=1),
        dicom(DEEP, **TWELVE_BITS, VOILUTSequence=lut(CURVE, 0, 12)),
        dicom(DEEP, **TWELVE_BITS),
        dicom(DEEP, **TWELVE_BITS, **WINDOW, PhotometricInterpretation="MONOCHROME1"),
        dicom(DEEP, **TWELVE_BITS, **WINDOW, RescaleSlope=-2, RescaleIntercept=4000),
        dicom(SIGNED, WindowCenter=0, WindowWidth=1000),
        dicom(DEEP, **TWELVE_BITS, PixelPaddingValue=int(DEEP.min())),
        dicom(CHEST),
        dicom(CHEST, **palette(np.repeat(np.arange(256, dtype=np.uint8)[::-1, None], 3, 1))),
        dicom(np.stack([CHEST] * 3, axis=-1)),
        synthetic.encode(CHEST),
        synthetic.encode(CHEST, ".jpeg"),
        synthetic.encode(DEEP),
        synthetic.encode(np.stack([CHEST, CHEST // 2, CHEST // 3], axis=-1)),
    ],
)
def test_through_its_window_it_is_what_the_model_sees(data: bytes) -> None:
    expected = decode(data).pixels

    found = seen(picture(data, SIDE))

    # At most a level, where one rounds up and the other down.
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
    assert (found != expected).mean() < 0.01


def test_twelve_bits_are_all_there() -> None:
    found = picture(dicom(DEEP, **TWELVE_BITS, **WINDOW), SIDE)

    np.testing.assert_allclose(values(found), DEEP, atol=0.05)
    assert len(np.unique(found.pixels)) == len(np.unique(DEEP)) > 200


def test_they_are_in_the_units_of_the_modality() -> None:
    elements: dict[str, Any] = {"RescaleSlope": 0.5, "RescaleIntercept": -100}
    found = picture(dicom(DEEP, **TWELVE_BITS, **elements, **WINDOW), SIDE)

    np.testing.assert_allclose(values(found), DEEP * 0.5 - 100, atol=0.05)


def test_what_is_brighter_has_more_whatever_the_polarity() -> None:
    plain, inverse = (
        picture(dicom(DEEP, **TWELVE_BITS, **WINDOW, PhotometricInterpretation=name), SIDE)
        for name in ("MONOCHROME2", "MONOCHROME1")
    )

    np.testing.assert_array_equal(plain.pixels, 65535 - inverse.pixels)
    np.testing.assert_allclose(values(inverse), DEEP, atol=0.05)
    assert inverse.slope < 0 < plain.slope


def test_padding_is_black_and_takes_no_range() -> None:
    padded = DEEP.copy()
    padded[:20] = 4095
    found = picture(dicom(padded, **TWELVE_BITS, **WINDOW, PixelPaddingValue=4095), SIDE)

    assert not found.pixels[:20].any()
    np.testing.assert_allclose(values(found)[20:], DEEP[20:], atol=0.05)


def test_nothing_but_padding() -> None:
    blank = np.full((80, 90), 9, np.uint16)

    assert not picture(dicom(blank, PixelPaddingValue=9), SIDE).pixels.any()


def test_sixteen_bits_of_a_tiff_whose_white_is_zero() -> None:
    buffer = BytesIO()
    Image.fromarray(DEEP).save(buffer, "TIFF", tiffinfo={262: 0})
    found = picture(buffer.getvalue(), SIDE)

    np.testing.assert_allclose(values(found), DEEP, atol=0.05)
    np.testing.assert_array_equal(seen(found), decode(buffer.getvalue()).pixels)


@pytest.mark.parametrize("suffix", [".png", ".jpeg"])
def test_it_is_reduced(suffix: str) -> None:
    data = synthetic.encode(synthetic.chest(3, size=(1300, 1700)), suffix)

    assert picture(data, 340).pixels.shape == (260, 340)
    assert picture(data, 2000).pixels.shape == (1300, 1700)


def test_a_dicom_image_is_reduced() -> None:
    assert picture(dicom(DEEP, **TWELVE_BITS), 160).pixels.shape == (120, 160)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError):
        picture(b"hello", SIDE)
    with pytest.raises(UnreadableImageError):
        picture(synthetic.encode(CHEST)[:2000], SIDE)
    with pytest.raises(UnreadableImageError, match="declares"):
        picture(synthetic.encode(CHEST), SIDE, max_pixels=1000)
    with pytest.raises(UnreadableImageError, match="declares"):
        picture(dicom(DEEP), SIDE, max_pixels=1000)


def test_it_waits_for_room() -> None:
    taken: list[int] = []
    picture(synthetic.encode(CHEST), SIDE, take=taken.append)
    picture(dicom(DEEP), SIDE, take=taken.append)

    assert taken == [CHEST.size, DEEP.size]
