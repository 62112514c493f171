"""What a compressed frame says of itself, read before any of it is decoded.

A decoder makes room for what the codestream declares, whatever the DICOM elements around it say,
so a few bytes could ask for gigabytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

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

from app.errors import UnreadableImageError
from app.imaging import jpeg
from app.imaging.errors import has_too_many_scans
from app.imaging.overhead import check_parts

# A decoder would read progressive frames too, each scan of which costs a pass over every pixel.
_FRAME_HEADERS = {
    JPEGBaseline8Bit: (jpeg.BASELINE, jpeg.EXTENDED),
    JPEGExtended12Bit: (jpeg.BASELINE, jpeg.EXTENDED),
    JPEGLossless: (jpeg.LOSSLESS,),
    JPEGLosslessSV1: (jpeg.LOSSLESS,),
} | dict.fromkeys(JPEGLSTransferSyntaxes, (jpeg.JPEG_LS,))

# ISO/IEC 15444-1, table A.2.
_START_OF_CODESTREAM = b"\xff\x4f"
_SIZ, _COD, _COC = 0xFF51, 0xFF52, 0xFF53
_START_OF_TILE, _START_OF_DATA, _END_OF_CODESTREAM = 0xFF90, 0xFF93, 0xFFD9
_SIZ_FORMAT = ">HIIIIIIIIH"
# Of the first component, after these: its bits less one, and the sign in the highest bit.
_SIGNED = 0x80
# OpenJPEG sets up every tile, precinct and code block before it looks for their data: a file of
# 250 bytes that declares 2,000 x 2,000 pixels in precincts of 2 x 2 took 2.2 GB and 28 s. Tiles of
# 128 x 128 make 2,500 of the most pixels that are read.
_MOST_TILES = 4096
_MOST_PRECINCTS = 50_000
_MOST_LAYERS = 100
# Of the main header and of all tile-parts, of which a tile may have several.
_MOST_SEGMENTS = 8 * _MOST_TILES
_LEAST_CODE_BLOCK = 8  # log2 of its pixels


@dataclass(frozen=True)
class Frame:
    """A frame's size in pixels, and its samples a pixel; frames are equal where these are.

    Attributes:
        width: in pixels.
        height: likewise.
        samples: a pixel.
        precision: the bits of a sample.
        is_signed: whether the samples are; None where the codestream cannot tell.
        is_ycbcr: whether three samples are YCbCr, rather than RGB; None where it does not tell.
        length: of the codestream, in bytes; what follows is no part of it.
    """

    width: int
    height: int
    samples: int
    precision: int = field(default=0, compare=False)
    is_signed: bool | None = field(default=None, compare=False)
    is_ycbcr: bool | None = field(default=None, compare=False)
    length: int = field(default=0, compare=False)


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
    if has_too_many_scans(codestream):
        raise _wasteful()
    check_parts(codestream, "JPEG")
    try:
        header = jpeg.header_of(codestream)
    except jpeg.JpegError as error:
        raise _mismatch() from error
    if header.kind not in frame_headers or header.spiff_size not in (
        None,
        (header.height, header.width),
    ):
        raise _mismatch()
    # libjpeg would make up what is missing. Within a scan the marker cannot occur.
    if jpeg.END_OF_IMAGE not in codestream[header.end :]:
        raise UnreadableImageError("The compressed image is truncated.")
    return Frame(
        header.width,
        header.height,
        len(header.components),
        header.precision,
        is_ycbcr=header.is_ycbcr,
        length=len(codestream),
    )


def _jpeg_2000(codestream: bytes) -> Frame:
    if not codestream.startswith(_START_OF_CODESTREAM):
        raise _mismatch()
    segments = _segments(codestream)
    marker, siz, _ = next(segments)
    if marker != _SIZ:
        raise _mismatch()
    numbers = struct.unpack_from(_SIZ_FORMAT, siz)
    _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, samples = numbers
    across = -(-(right - tile_left) // tile_width)
    down = -(-(bottom - tile_top) // tile_height)
    if across * down > _MOST_TILES:
        raise _wasteful()
    length = len(codestream)
    for marker, segment, end in segments:
        if marker == _COD:
            if struct.unpack_from(">H", segment, 2)[0] > _MOST_LAYERS:
                raise _wasteful()
            _check_parts(segment[0], segment[5:], (right, bottom), (across, down))
        elif marker == _COC:  # the samples are few enough for one byte to name
            _check_parts(segment[1], segment[2:], (right, bottom), (across, down))
        elif marker == _END_OF_CODESTREAM:
            length = end
    component = siz[struct.calcsize(_SIZ_FORMAT)]
    return Frame(
        right - left,
        bottom - top,
        samples,
        (component & ~_SIGNED) + 1,
        is_signed=bool(component & _SIGNED),
        length=length,
    )


def _segments(codestream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The marker segments of the main header and of every tile-part's (15444-1, A.2 to A.4).

    Yields:
        The marker, the segment's content, and where it ends; at last, the End Of Codestream.
    """
    offset, tile_part_end, count = len(_START_OF_CODESTREAM), 0, 0
    while offset + 2 <= len(codestream):
        count += 1
        if count > _MOST_SEGMENTS:
            raise _wasteful()
        (marker,) = struct.unpack_from(">H", codestream, offset)
        if marker == _END_OF_CODESTREAM:
            yield marker, b"", offset + 2
            return
        if marker == _START_OF_DATA:
            # Of a length of 0, it is the last, and no packet has the marker in it.
            offset, tile_part_end = tile_part_end or _end_marker(codestream, offset), 0
            continue
        if offset + 4 > len(codestream):
            return
        (length,) = struct.unpack_from(">H", codestream, offset + 2)
        if not _SIZ <= marker <= _START_OF_TILE or length < 2:
            raise _mismatch()
        if marker == _START_OF_TILE:
            (tile_part_length,) = struct.unpack_from(">I", codestream, offset + 6)
            tile_part_end = offset + tile_part_length if tile_part_length else 0
            if tile_part_length and tile_part_end <= offset + 2 + length:
                raise _mismatch()
        yield marker, codestream[offset + 4 : offset + 2 + length], offset + 2 + length
        offset += 2 + length


def _end_marker(codestream: bytes, start: int) -> int:
    """Where the End Of Codestream is, or would be."""
    found = codestream.find(struct.pack(">H", _END_OF_CODESTREAM), start)
    return found if found >= 0 else len(codestream)


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
