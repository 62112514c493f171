"""What an image file may hold beside its pixels, counted before a decoder goes through it.

Pillow walks markers, chunks and runs in Python: at a few bytes each, a file of the largest size
would keep a thread busy for a minute.
"""

import re
import struct

from app.errors import UnreadableImageError
from app.imaging.errors import MOST_SCANS, has_too_many_scans

# Up to a JPEG's first scan (ISO/IEC 10918-1, B.1.1): segments and stray bytes, and all fill bytes.
_MOST_MARKERS = 4096
_MOST_FILL = 64 * 1024
_NO_FILL = re.compile(rb"[^\xff]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = (0x00, 0x01, *range(0xD0, 0xD9))
# Ten scans are what encoders make of a progressive JPEG; each is a pass over all its pixels.
_MOST_SCANNED_PIXELS = 480_000_000
# PNG's chunks have 12 bytes beside their data (ISO/IEC 15948, 5.3); encoders write 4 kB and more.
_PNG_SIGNATURE, _CHUNK = 8, 12
_MOST_SMALL_CHUNKS, _BYTES_A_CHUNK = 1024, 256
# A run of a BMP takes two bytes, whatever it adds.
_BMP_COMPRESSION, _RUN_LENGTHS = 30, (1, 2)
_MOST_RUN_LENGTH_BYTES = 4 * 2**20


def check_parts(data: bytes, image_format: str) -> None:
    """Pass where the file is not made of too many parts.

    Args:
        data: of the file, which may be broken in any way.
        image_format: as `formats.format_of` tells it.

    Raises:
        UnreadableImageError: there are too many.
    """
    counts = {"JPEG": _jpeg_is_wasteful, "PNG": _png_is_wasteful, "BMP": _bmp_is_wasteful}
    is_wasteful = counts.get(image_format)
    if is_wasteful and is_wasteful(data):
        raise UnreadableImageError(f"The {image_format} image is made of too many parts.")


def check_scans(data: bytes, pixels: int) -> None:
    """Pass where a JPEG's scans do not go over its pixels too often.

    Raises:
        UnreadableImageError: they do.
    """
    if has_too_many_scans(data, min(MOST_SCANS, _MOST_SCANNED_PIXELS // pixels)):
        raise UnreadableImageError("The JPEG image has too many scans for its size.")


def _jpeg_is_wasteful(data: bytes) -> bool:
    offset, fill = 2, 0
    for _ in range(_MOST_MARKERS):
        filled = _NO_FILL.search(data, offset)
        # Where no marker begins, it is broken, and the decoder says so.
        if filled is None or filled.start() == offset:
            return len(data) - offset > _MOST_FILL and filled is None
        fill += filled.start() - offset
        if fill > _MOST_FILL:
            return True
        marker, offset = data[filled.start()], filled.end()
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return False
        if marker not in _WITHOUT_LENGTH:
            offset += int.from_bytes(data[offset : offset + 2])
    return True


def _png_is_wasteful(data: bytes) -> bool:
    offset, chunks = _PNG_SIGNATURE, 0
    most = _MOST_SMALL_CHUNKS + len(data) // _BYTES_A_CHUNK
    while offset < len(data) and chunks <= most:
        offset += _CHUNK + int.from_bytes(data[offset : offset + 4])
        chunks += 1
    return chunks > most


def _bmp_is_wasteful(data: bytes) -> bool:
    if len(data) <= _MOST_RUN_LENGTH_BYTES:
        return False
    (compression,) = struct.unpack_from("<I", data, _BMP_COMPRESSION)
    return compression in _RUN_LENGTHS
