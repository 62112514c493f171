"""Image files made to order: Pillow's, and those that Pillow would not write."""

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests import synthetic

CHEST = synthetic.chest(1, size=(240, 320))
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "BMP": {},
}
OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, **LOSSLESS}

WIDTH, LENGTH = 256, 257
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_IFD_ENTRY = "<HHII"
_LONG = 4


def encoded(image: Image.Image | npt.NDArray[Any], image_format: str, **options: Any) -> bytes:
    """Encode with Pillow, by default at the best quality."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    buffer = BytesIO()
    image.save(buffer, image_format, **(OPTIONS.get(image_format, {}) | options))
    return buffer.getvalue()


def oriented(pixels: npt.NDArray[Any], orientation: int, image_format: str) -> bytes:
    """The pixels stored as a camera does that was held in the given EXIF orientation."""
    stored = {
        1: pixels,
        2: np.fliplr(pixels),
        3: np.rot90(pixels, 2),
        4: np.flipud(pixels),
        5: pixels.T,
        6: np.rot90(pixels),
        7: np.rot90(pixels.T, 2),
        8: np.rot90(pixels, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(np.ascontiguousarray(stored), image_format, exif=exif)


def png_with(kind: bytes, content: bytes, *, instead: bool = False) -> bytes:
    """A PNG file with a chunk after its header, or `instead` of it."""
    data = encoded(CHEST, "PNG")
    header_end = 8 + 25
    return data[: 8 if instead else header_end] + _chunk(kind, content) + data[header_end:]


def interlaced_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """uint8 `[height, width]` as a PNG in Adam7's order (ISO/IEC 15948, section 8.2)."""
    height, width = pixels.shape
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in _ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)),
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        ]
    )


def tiff(
    pixels: npt.NDArray[Any],
    tags: dict[int, int] | None = None,
    *,
    strip: bytes | None = None,
    pages: int = 1,
) -> bytes:
    """An uncompressed little-endian TIFF, its every tag open to lies.

    Args:
        pixels: `[height, width]`, of any dtype.
        tags: what its one image file directory says beyond, or instead of, the truth.
        strip: the stored bytes, instead of those of the pixels.
        pages: as many directories follow one another, all but the first of them empty.
    """
    height, width = pixels.shape
    stored = pixels.tobytes() if strip is None else strip
    entries = {
        WIDTH: width,
        LENGTH: height,
        258: pixels.dtype.itemsize * 8,  # BitsPerSample
        259: 1,  # Compression: none
        262: 1,  # PhotometricInterpretation: MinIsBlack
        273: 8,  # StripOffsets
        277: 1,  # SamplesPerPixel
        278: height,  # RowsPerStrip
        279: len(stored),  # StripByteCounts
        339: {"u": 1, "i": 2, "f": 3}.get(pixels.dtype.kind, 1),  # SampleFormat
        **(tags or {}),
    }
    directory = 8 + len(stored)
    following = directory + 2 + 12 * len(entries) + 4
    return b"".join(
        [
            struct.pack("<2sHI", b"II", 42, directory),
            stored,
            struct.pack("<H", len(entries)),
            *(struct.pack(_IFD_ENTRY, tag, _LONG, 1, entries[tag]) for tag in sorted(entries)),
            struct.pack("<I", following if pages > 1 else 0),
            *(_empty_directory(following, index, pages - 1) for index in range(pages - 1)),
        ]
    )


def mutated(data: bytes, chooser: random.Random) -> bytes:
    """The data with some bytes changed, most of them in the header, or with a run left out."""
    changed = bytearray(data)
    reach = chooser.choice((16, 64, 256, len(data)))
    for _ in range(chooser.randint(1, 6)):
        changed[chooser.randrange(min(reach, len(changed)))] = chooser.choice(
            (0, 1, 0x7F, 0x80, 0xFF, chooser.randrange(256))
        )
    if chooser.random() < 0.2:
        start = chooser.randrange(len(changed))
        del changed[start : start + chooser.randint(1, 99)]
    return bytes(changed)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _empty_directory(start: int, index: int, count: int) -> bytes:
    """A directory of nothing but a width and a length, which points to the next of `count`."""
    size = 2 + 2 * 12 + 4
    tags = (struct.pack(_IFD_ENTRY, tag, _LONG, 1, 64) for tag in (WIDTH, LENGTH))
    after = start + size * (index + 1) if index + 1 < count else 0
    return struct.pack("<H", 2) + b"".join(tags) + struct.pack("<I", after)
