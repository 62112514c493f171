import hashlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from app.errors import UnsupportedFormatError
from app.imaging.decode import LOW_RESOLUTION, MODEL_SIDE, MULTIPLE_FRAMES, decode, to_model_input
from tests import synthetic
from tests.app.imaging.files import (
    CHEST,
    LOSSLESS,
    OPTIONS,
    encoded,
    interlaced_png,
    oriented,
    png_with,
    tiff,
)

LOSSY = 1.0
LEFT_CLEAR = np.where(np.arange(CHEST.shape[1]) < 100, 0, 255).astype(np.uint8)
BLACK_LEFT = np.where(LEFT_CLEAR, CHEST, 0)
MIN_IS_WHITE = {262: 0}


def difference(found: npt.NDArray[np.uint8], expected: npt.NDArray[Any]) -> float:
    """The mean absolute difference, in gray levels."""
    assert found.shape == expected.shape
    return float(np.abs(found.astype(float) - expected).mean())


def stretched(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Pixels stretched to 0..255."""
    values = pixels.astype(float)
    return (values - values.min()) * 255 / np.ptp(values)


@pytest.mark.parametrize("image_format", LOSSLESS)
def test_lossless_formats_keep_every_pixel(image_format: str) -> None:
    data = encoded(CHEST, image_format)
    radiograph = decode(data)
    assert np.array_equal(radiograph.pixels, CHEST)
    assert radiograph.pixels.dtype == np.uint8
    assert (radiograph.format, radiograph.warnings) == (image_format, ())
    assert (radiograph.width, radiograph.height) == (320, 240)
    assert radiograph.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_jpeg(options: dict[str, bool]) -> None:
    radiograph = decode(encoded(CHEST, "JPEG", **options))
    assert radiograph.format == "JPEG"
    assert difference(radiograph.pixels, CHEST) < LOSSY


LARGE = synthetic.chest(5, size=(1900, 2500))


@pytest.mark.parametrize(
    ("picture_side", "decoded"),
    [(2500, (1900, 2500)), (1770, (1900, 2500)), (1767, (950, 1250)), (64, (475, 625))],
)
def test_a_large_jpeg_is_decoded_at_a_reduced_scale(
    picture_side: int, decoded: tuple[int, int]
) -> None:
    radiograph = decode(encoded(LARGE, "JPEG"), picture_side=picture_side)
    assert radiograph.pixels.shape == decoded
    assert (radiograph.width, radiograph.height) == (2500, 1900)
    full = decode(encoded(LARGE, "JPEG"), picture_side=2500)
    found, expected = (to_model_input(image.pixels) for image in (radiograph, full))
    assert difference(found, expected) < LOSSY


def test_a_reduced_jpeg_is_upright_too() -> None:
    radiograph = decode(oriented(LARGE, 6, "JPEG"))
    assert radiograph.pixels.shape == (950, 1250)
    assert (radiograph.width, radiograph.height) == (2500, 1900)


def test_a_large_png_keeps_every_pixel() -> None:
    assert decode(encoded(LARGE, "PNG"), picture_side=64).pixels.shape == LARGE.shape


def test_a_colour_jpeg_becomes_luma() -> None:
    colours = np.stack([CHEST, np.full_like(CHEST, 90), 255 - CHEST], axis=2)
    luma = colours @ (0.299, 0.587, 0.114)
    assert difference(decode(encoded(colours, "JPEG", quality=95)).pixels, luma) < LOSSY


def test_colour_becomes_luma() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (70, 70, 3), np.uint8)
    luma = colours @ (0.299, 0.587, 0.114)
    assert np.abs(decode(encoded(colours, "PNG")).pixels - luma).max() <= 1


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_cmyk_is_as_bright_as_it_was(image_format: str) -> None:
    cmyk = Image.fromarray(CHEST).convert("RGB").convert("CMYK")
    assert difference(decode(encoded(cmyk, image_format)).pixels, CHEST) < LOSSY


def test_ycck_is_as_bright_as_it_was() -> None:
    # Pillow stores each band inverted; libjpeg reads YCC of the inks where Adobe's transform is 2.
    no_chroma = np.full_like(CHEST, 127)
    bands = (CHEST, no_chroma, no_chroma, np.zeros_like(CHEST))
    data = encoded(Image.merge("CMYK", [Image.fromarray(band) for band in bands]), "JPEG")
    transform = data.index(b"Adobe") + 11
    ycck = data[:transform] + b"\x02" + data[transform + 1 :]
    assert difference(decode(ycck).pixels, CHEST) < LOSSY


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_16_bits_are_stretched(image_format: str) -> None:
    twelve_bits = CHEST.astype(np.uint16) * 12 + 700
    radiograph = decode(encoded(twelve_bits, image_format))
    assert difference(radiograph.pixels, stretched(CHEST)) <= 0.5
    assert (radiograph.pixels.min(), radiograph.pixels.max()) == (0, 255)


@pytest.mark.parametrize(
    "values",
    [
        CHEST.astype("<i2") * 100 - 12_000,
        CHEST.astype("<i4") * 1_000_000 - 120_000_000,
        CHEST.astype("<f4") / 7 - 3,
        CHEST.astype("<f4") * 1e-12,
    ],
    ids=["int16", "int32", "float32", "small float32"],
)
def test_signed_and_real_values_are_stretched(values: npt.NDArray[Any]) -> None:
    assert difference(decode(tiff(values)).pixels, stretched(CHEST)) <= 0.5


def test_values_that_are_no_numbers_leave_the_others_alone() -> None:
    values = CHEST.astype("<f4")
    values[0, :3] = np.nan, np.inf, -np.inf
    assert difference(decode(tiff(values)).pixels[1:], stretched(CHEST)[1:]) <= 0.5


def test_uniform_values_become_black() -> None:
    assert not decode(tiff(np.full((70, 70), 5, "<f4"))).pixels.any()


@pytest.mark.parametrize(
    "inverted",
    [255 - CHEST, 65_535 - CHEST.astype("<u2") * 257, -CHEST.astype("<f4")],
    ids=["uint8", "uint16", "float32"],
)
def test_min_is_white_is_inverted(inverted: npt.NDArray[Any]) -> None:
    pixels = decode(tiff(inverted, MIN_IS_WHITE)).pixels
    expected = CHEST if inverted.dtype == np.uint8 else stretched(CHEST)
    assert difference(pixels, expected) <= 0.5


@pytest.mark.parametrize("photometric", [0, 1])
def test_one_bit_tiff(photometric: int) -> None:
    bright = CHEST > 127
    strip = np.packbits(bright ^ (photometric == 0), axis=1).tobytes()
    data = tiff(CHEST, {258: 1, 262: photometric}, strip=strip)
    assert np.array_equal(decode(data).pixels, np.where(bright, 255, 0))


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "BMP"])
def test_one_bit(image_format: str) -> None:
    bright = CHEST > 127
    assert np.array_equal(decode(encoded(bright, image_format)).pixels, np.where(bright, 255, 0))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_over_black(mode: str, image_format: str) -> None:
    image = Image.fromarray(CHEST).convert(mode)
    image.putalpha(Image.fromarray(np.broadcast_to(LEFT_CLEAR, CHEST.shape)))
    assert np.array_equal(decode(encoded(image, image_format)).pixels, BLACK_LEFT)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "BMP"])
def test_palette(image_format: str) -> None:
    palette = Image.fromarray(CHEST).convert("P")
    assert np.array_equal(decode(encoded(palette, image_format)).pixels, CHEST)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_transparent_level(mode: str) -> None:
    image = Image.fromarray(CHEST).convert(mode)
    brightest = CHEST.max() == CHEST
    level = int(np.asarray(image)[brightest][0])
    pixels = decode(encoded(image, "PNG", transparency=level)).pixels
    assert np.array_equal(pixels, np.where(brightest, 0, CHEST))


def test_interlaced_png() -> None:
    assert np.array_equal(decode(interlaced_png(CHEST)).pixels, CHEST)


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
def test_only_the_first_frame_is_read(image_format: str) -> None:
    first, *others = [Image.fromarray(np.rot90(CHEST, turns * 2)) for turns in range(3)]
    radiograph = decode(encoded(first, image_format, save_all=True, append_images=others))
    assert np.array_equal(radiograph.pixels, CHEST)
    assert radiograph.warnings == (MULTIPLE_FRAMES,)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation(image_format: str, orientation: int) -> None:
    radiograph = decode(oriented(CHEST, orientation, image_format))
    assert difference(radiograph.pixels, CHEST) < LOSSY
    assert (radiograph.width, radiograph.height) == (320, 240)


def test_exif_orientation_of_16_bits() -> None:
    pixels = decode(oriented(CHEST.astype(np.uint16) * 257, 6, "PNG")).pixels
    assert difference(pixels, stretched(CHEST)) <= 0.5


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_is_none_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(encoded(CHEST, "PNG", exif=exif)).pixels, CHEST)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"])
def test_tiff_compressions(compression: str) -> None:
    assert np.array_equal(decode(encoded(CHEST, "TIFF", compression=compression)).pixels, CHEST)


def test_jpeg_in_tiff() -> None:
    pixels = decode(encoded(CHEST, "TIFF", compression="jpeg", quality=95)).pixels
    assert difference(pixels, CHEST) < LOSSY


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_corrupt_colour_profile_is_passed_over(image_format: str) -> None:
    data = encoded(Image.fromarray(CHEST).convert("RGB"), image_format, icc_profile=b"\xa5" * 999)
    assert difference(decode(data).pixels, CHEST) < LOSSY


def test_a_corrupt_exif_is_passed_over() -> None:
    data = encoded(CHEST, "JPEG", exif=b"Exif\0\0" + b"\xa5" * 999)
    assert difference(decode(data).pixels, CHEST) < LOSSY


def test_large_metadata_are_passed_over() -> None:
    assert np.array_equal(decode(png_with(b"tEXt", b"k\0" + b"A" * 2**20)).pixels, CHEST)


@pytest.mark.parametrize("image_format", OPTIONS)
def test_what_follows_the_image_is_passed_over(image_format: str) -> None:
    data = encoded(CHEST, image_format) + b"\0garbage" * 999
    assert difference(decode(data).pixels, CHEST) < LOSSY


@pytest.mark.parametrize(("side", "warnings"), [(64, (LOW_RESOLUTION,)), (224, ())])
def test_low_resolution(side: int, warnings: tuple[str, ...]) -> None:
    assert decode(encoded(CHEST[:side], "PNG")).warnings == warnings


def test_model_input_is_bilinear_and_squashed() -> None:
    squashed = Image.fromarray(CHEST).resize((MODEL_SIDE, MODEL_SIDE), Image.Resampling.BILINEAR)
    found = to_model_input(CHEST)
    assert found.shape == (224, 224, 1)
    assert found.dtype == np.uint8
    assert np.array_equal(found[:, :, 0], np.asarray(squashed))


def test_an_original_becomes_its_training_image(originals: Path, chest_xray_dir: Path) -> None:
    # What remains is the training image's JPEG compression: every other filter differs by more.
    for path in sorted(originals.glob("*/*")):
        (small,) = (chest_xray_dir / "train" / path.parent.name).glob(f"{path.stem}.*")
        found = to_model_input(decode(path.read_bytes()).pixels)
        assert difference(found[:, :, 0], decode(small.read_bytes()).pixels) < 2.8


@pytest.mark.parametrize(
    "data",
    [
        bytes(imagecodecs.jpegls_encode(CHEST)),
        bytes(imagecodecs.jpeg8_encode(CHEST, lossless=True)),
        bytes(imagecodecs.jpeg8_encode(CHEST.astype(np.uint16) * 16, bitspersample=12)),
    ],
    ids=["JPEG-LS", "lossless", "12 bits"],
)
def test_a_jpeg_of_a_kind_that_is_not_read_is_not_called_broken(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="kind of JPEG is not read"):
        decode(data)
