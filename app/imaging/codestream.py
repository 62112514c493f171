"""What a compressed frame says of itself, read before any of it is decoded.

A decoder makes room for what the codestream declares, whatever the DICOM elements around it say,
so a few bytes could ask for gigabytes.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
)

from app.imaging.errors import UnreadableImageError, has_too_many_scans

# ISO/IEC 10918-1, table B.1; 55 is of ISO/IEC 14495-1 (JPEG-LS). A decoder would read progressive
# frames too, each scan of which costs a pass over every pixel.
_BASELINE, _EXTENDED, _LOSSLESS, _JPEG_LS = 0xC0, 0xC1, 0xC3, 0xF7
_FRAME_HEADERS = {
    JPEGBaseline8Bit: (_BASELINE, _EXTENDED),
    JPEGExtended12Bit: (_BASELINE, _EXTENDED),
    JPEGLossless: (_LOSSLESS,),
    JPEGLosslessSV1: (_LOSSLESS,),
} | dict.fromkeys(JPEGLSTransferSyntaxes, (_JPEG_LS,))
_START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
_START_OF_SCAN = 0xDA
# CharLS believes this header's size (ISO/IEC 10918-3, annex F) rather than the frame's.
_APP8, _SPIFF, _SPIFF_SIZE = 0xE8, b"SPIFF\0", 10
_ANY_FRAME_HEADER = {*range(0xC0, 0xD0), _JPEG_LS} - {0xC4, 0xCC}

# ISO/IEC 15444-1, table A.2.
_START_OF_CODESTREAM = b"\xff\x4f"
_SIZ, _COD, _COC = 0xFF51, 0xFF52, 0xFF53
_START_OF_TILE, _START_OF_DATA, _END_OF_CODESTREAM = 0xFF90, 0xFF93, 0xFFD9
_SIZ_FORMAT = ">HIIIIIIIIH"
# OpenJPEG sets up every tile, precinct and code block before it looks for their data: a file of
# 250 bytes that declares 2,000 x 2,000 pixels in precincts of 2 x 2 took 2.2 GB and 28 s. Tiles of
# 128 x 128 make 2,500 of the most pixels that are read.
_MOST_TILES = 4096
_MOST_PRECINCTS = 50_000
_MOST_LAYERS = 100
# Of the main header and of all tile-parts, of which a tile may have several.
_MOST_SEGMENTS = 8 * _MOST_TILES
# Before the frame header of a JPEG; a run of fill bytes counts as one.
_MOST_MARKERS = 4096
_NO_FILL = re.compile(rb"\xff[^\xff]")
_LEAST_CODE_BLOCK = 8  # log2 of its pixels


@dataclass(frozen=True)
class Frame:
    """A frame's size in pixels, and its samples a pixel."""

    width: int
    height: int
    samples: int


def frame_of(codestream: bytes, syntax: UID) -> Frame:
    """The frame that a JPEG, JPEG-LS or JPEG 2000 codestream declares.

    Raises:
        UnreadableImageError: the codestream is not of the transfer syntax, or asks for more than
            an image of its size needs.
        Exception: of one type or another, where it breaks off.
    """
    if syntax in (JPEG2000Lossless, JPEG2000):
        return _jpeg_2000(codestream)
    return _jpeg(codestream, _FRAME_HEADERS[syntax])


def _mismatch() -> UnreadableImageError:
    return UnreadableImageError("The pixel data are not compressed as the DICOM file says.")


def _wasteful() -> UnreadableImageError:
    return UnreadableImageError("The pixel data are compressed in too many or too small parts.")


def _jpeg(codestream: bytes, frame_headers: tuple[int, ...]) -> Frame:
    if not codestream.startswith(_START_OF_IMAGE):
        raise _mismatch()
    if has_too_many_scans(codestream):
        raise _wasteful()
    offset, spiff_size = len(_START_OF_IMAGE), None
    for _ in range(_MOST_MARKERS):
        offset = _past_fill_bytes(codestream, offset)
        prefix, marker, length = struct.unpack_from(">BBH", codestream, offset)
        if prefix != 0xFF or marker == _START_OF_SCAN:
            raise _mismatch()
        if marker in _ANY_FRAME_HEADER:
            break
        if marker == _APP8 and codestream.startswith(_SPIFF, offset + 4):
            spiff_size = struct.unpack_from(">II", codestream, offset + 4 + _SPIFF_SIZE)
        offset += 2 + length
    else:
        raise _wasteful()
    _, height, width, samples = struct.unpack_from(">BHHB", codestream, offset + 4)
    if marker not in frame_headers or spiff_size not in (None, (height, width)):
        raise _mismatch()
    # libjpeg would make up what is missing. Within a scan the marker cannot occur.
    if END_OF_IMAGE not in codestream[offset:]:
        raise UnreadableImageError("The compressed image is truncated.")
    return Frame(width, height, samples)


def _past_fill_bytes(codestream: bytes, offset: int) -> int:
    if not codestream.startswith(b"\xff\xff", offset):
        return offset
    marker = _NO_FILL.search(codestream, offset)
    if marker is None:
        raise _mismatch()
    return marker.start()


def _jpeg_2000(codestream: bytes) -> Frame:
    if not codestream.startswith(_START_OF_CODESTREAM):
        raise _mismatch()
    segments = _segments(codestream)
    marker, siz = next(segments)
    if marker != _SIZ:
        raise _mismatch()
    numbers = struct.unpack_from(_SIZ_FORMAT, siz)
    _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, samples = numbers
    across = -(-(right - tile_left) // tile_width)
    down = -(-(bottom - tile_top) // tile_height)
    if across * down > _MOST_TILES:
        raise _wasteful()
    for marker, segment in segments:
        if marker == _COD:
            if struct.unpack_from(">H", segment, 2)[0] > _MOST_LAYERS:
                raise _wasteful()
            _check_parts(segment[0], segment[5:], (right, bottom), (across, down))
        elif marker == _COC:  # the samples are few enough for one byte to name
            _check_parts(segment[1], segment[2:], (right, bottom), (across, down))
    return Frame(right - left, bottom - top, samples)


def _segments(codestream: bytes) -> Iterator[tuple[int, bytes]]:
    """The marker segments of the main header and of every tile-part's (15444-1, A.2 to A.4)."""
    offset, tile_part_end, count = len(_START_OF_CODESTREAM), 0, 0
    while offset + 4 <= len(codestream):
        count += 1
        if count > _MOST_SEGMENTS:
            raise _wasteful()
        marker, length = struct.unpack_from(">HH", codestream, offset)
        if marker == _END_OF_CODESTREAM:
            return
        if marker == _START_OF_DATA:
            offset = tile_part_end
            continue
        if not _SIZ <= marker <= _START_OF_TILE or length < 2:
            raise _mismatch()
        if marker == _START_OF_TILE:
            (tile_part_length,) = struct.unpack_from(">I", codestream, offset + 6)
            tile_part_end = offset + tile_part_length if tile_part_length else len(codestream)
            if tile_part_end <= offset + 2 + length:
                raise _mismatch()
        yield marker, codestream[offset + 4 : offset + 2 + length]
        offset += 2 + length


def _check_parts(style: int, coding: bytes, size: tuple[int, int], tiles: tuple[int, int]) -> None:
    """Count what a coding style divides the image into (15444-1, tables A.15 to A.21)."""
    levels, width_exponent, height_exponent = coding[:3]
    if width_exponent + 2 + height_exponent + 2 < _LEAST_CODE_BLOCK:
        raise _wasteful()
    precincts = 0
    for level in range(levels + 1):
        exponents = coding[5 + level] if style & 1 else 0xFF
        sides = zip(size, tiles, (exponents & 15, exponents >> 4), strict=True)
        # Each tile may begin with a precinct of its own.
        across, down = (
            (side >> levels - level + exponent) + 1 + count for side, count, exponent in sides
        )
        precincts += across * down
    if precincts > _MOST_PRECINCTS:
        raise _wasteful()
