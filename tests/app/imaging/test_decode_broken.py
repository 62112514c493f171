import random
import re
import struct
import zlib
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from app.errors import ImageError, UnreadableImageError, UnsupportedFormatError
from app.imaging.decode import MULTIPLE_FRAMES, Radiograph, decode
from tests.app.imaging.files import (
    CHEST,
    LENGTH,
    OPTIONS,
    WIDTH,
    encoded,
    mutated,
    png_with,
    tiff,
)
from tests.app.imaging.memory import MEBIBYTE, peak_growth

TOO_MANY = "at most 40,000,000 are read"
BROKEN = "^The {} image is broken or truncated.$"
NO_IMAGE = r"^The file is not a JPEG, PNG, WebP, TIFF, BMP or DICOM image\.$"
SAFE = re.compile(f"{NO_IMAGE}|{BROKEN.format('[A-Z]+')}|^The image [a-z]+ [0-9 x]+ pixels; ")
VAST = 60_000


def overwritten(data: bytes, offset: int, replacement: bytes) -> bytes:
    """The data with the replacement at the offset."""
    return data[:offset] + replacement + data[offset + len(replacement) :]


def vast_jpeg() -> bytes:
    """A JPEG whose frame header declares 60,000 x 60,000 pixels."""
    data = encoded(CHEST, "JPEG")
    return overwritten(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", VAST, VAST))


def vast_webp() -> bytes:
    """A WebP whose header declares the most that it can, 16,384 x 16,384 pixels."""
    data = encoded(CHEST, "WEBP")
    (bits,) = struct.unpack_from("<I", data, 21)
    return overwritten(data, 21, struct.pack("<I", bits | 0xFFFFFFF))


VAST_FILES = {
    "JPEG": vast_jpeg(),
    "PNG": png_with(b"IHDR", struct.pack(">IIBBBBB", VAST, VAST, 8, 0, 0, 0, 0), instead=True),
    "WEBP": vast_webp(),
    "TIFF": tiff(CHEST, {WIDTH: VAST, LENGTH: VAST}),
    "TIFF tile": tiff(CHEST, {259: 8, 322: 32_000, 323: 32_000, 324: 8, 325: CHEST.size}),
    "BMP": overwritten(encoded(CHEST, "BMP"), 18, struct.pack("<ii", VAST, VAST)),
    "upside-down BMP": overwritten(encoded(CHEST, "BMP"), 18, struct.pack("<ii", VAST, -VAST)),
}


@pytest.mark.parametrize("data", [b"", b"\xff", b"patient: Doe, John", bytes(999), b"%PDF-1.7"])
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match=NO_IMAGE):
        decode(data)


@pytest.mark.parametrize("image_format", ["GIF", "PPM", "JPEG2000", "ICO"])
def test_formats_that_are_not_read(image_format: str) -> None:
    with pytest.raises(UnsupportedFormatError):
        decode(encoded(CHEST, image_format))


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.98])
@pytest.mark.parametrize("image_format", OPTIONS)
def test_truncated(image_format: str, kept: float) -> None:
    data = encoded(CHEST, image_format)
    with pytest.raises(UnreadableImageError, match=BROKEN.format(image_format)):
        decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    ("compression", "strip"),
    [(1, CHEST.tobytes()), (8, zlib.compress(CHEST.tobytes()))],
    ids=["none", "deflate"],
)
def test_truncated_within_a_tiff_strip(compression: int, strip: bytes) -> None:
    whole, half = (
        tiff(CHEST, {259: compression}, strip=s) for s in (strip, strip[: len(strip) // 2])
    )
    assert decode(whole).pixels.shape == CHEST.shape
    with pytest.raises(UnreadableImageError, match=BROKEN.format("TIFF")):
        decode(half)


def test_png_that_fails_its_checksum() -> None:
    data = encoded(CHEST, "PNG")
    with pytest.raises(UnreadableImageError, match=BROKEN.format("PNG")):
        decode(overwritten(data, data.index(b"IDAT") + 99, b"\xa5\xa5\xa5"))


def test_values_beyond_float32() -> None:
    with pytest.raises(UnreadableImageError, match=BROKEN.format("TIFF")):
        decode(tiff(np.linspace(-3e38, 3e38, 70 * 70, dtype="<f4").reshape(70, 70)))


@pytest.mark.parametrize("size", [(1, 1), (63, 500), (500, 63)])
def test_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(UnreadableImageError, match="each side needs at least 64"):
        decode(encoded(Image.new("L", size), "PNG"))


def test_the_limit_on_pixels_is_inclusive() -> None:
    data = encoded(CHEST, "PNG")
    assert decode(data, max_pixels=CHEST.size).pixels.size == CHEST.size
    with pytest.raises(UnreadableImageError, match="320 x 240 pixels; at most 76,799 are read"):
        decode(data, max_pixels=CHEST.size - 1)


@pytest.mark.parametrize("name", VAST_FILES)
def test_too_many_pixels_cost_no_memory(name: str) -> None:
    def refused() -> None:
        with pytest.raises(UnreadableImageError, match=TOO_MANY):
            decode(VAST_FILES[name])

    assert peak_growth(refused) < 16 * MEBIBYTE


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_compressed_metadata_that_inflate(kind: bytes) -> None:
    data = png_with(kind, b"k\0\0" + zlib.compress(bytes(64 * MEBIBYTE), 1))

    def refused() -> None:
        with pytest.raises(UnreadableImageError):
            decode(data)

    assert peak_growth(refused) < 16 * MEBIBYTE


def test_many_scans() -> None:
    data = encoded(CHEST, "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(UnreadableImageError, match="JPEG image has more than 100 scans"):
        decode(data[:-2] + last_scan * 100 + data[-2:])


def test_the_pages_after_the_first_are_not_counted() -> None:
    load = ImageFileDirectory_v2.load
    with patch.object(ImageFileDirectory_v2, "load", autospec=True, side_effect=load) as loads:
        assert decode(tiff(CHEST, pages=300)).warnings == (MULTIPLE_FRAMES,)
    assert loads.call_count < 5


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_every_mutation_is_an_image_or_an_image_error() -> None:
    chooser = random.Random(0)  # noqa: S311
    small = np.ascontiguousarray(CHEST[::3, ::3])
    rgba = Image.fromarray(small).convert("RGBA")
    files = [
        *(encoded(small, image_format) for image_format in OPTIONS),
        encoded(small, "JPEG", progressive=True, exif=Image.Exif().tobytes()),
        encoded(rgba, "PNG"),
        encoded(rgba, "WEBP", save_all=True, append_images=[rgba.rotate(180)]),
        *(encoded(small, "TIFF", compression=kind) for kind in ("tiff_lzw", "jpeg")),
        tiff(small.astype("<f4")),
    ]
    outcomes = {_outcome(mutated(chooser.choice(files), chooser)) for _ in range(300)}
    assert outcomes == {Radiograph, UnreadableImageError, UnsupportedFormatError}


def _outcome(data: bytes) -> type:
    """The type of what decoding gives or raises, `ValueError` where the message tells more."""
    try:
        return type(decode(data))
    except ImageError as error:
        return type(error) if SAFE.match(str(error)) else ValueError
