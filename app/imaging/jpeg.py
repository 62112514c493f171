"""What a JPEG or JPEG-LS codestream says of itself before its first scan."""

import struct
from dataclasses import dataclass

START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
# Frame headers of ISO/IEC 10918-1, table B.1, and of ISO/IEC 14495-1 (JPEG-LS).
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, JPEG_LS = 0xC0, 0xC1, 0xC2, 0xC3, 0xF7
_FRAME_HEADERS = {*range(0xC0, 0xD0), JPEG_LS} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
# JFIF (ISO/IEC 10918-5), SPIFF (ISO/IEC 10918-3, annex F) and Adobe's (10918-6, 6.5.3).
_JFIF, _SPIFF, _ADOBE = b"JFIF\0", b"SPIFF\0", b"Adobe"
_SEGMENTS = {0xE0: _JFIF, 0xE8: _SPIFF, 0xEE: _ADOBE}
_SPIFF_SIZE, _ADOBE_TRANSFORM = 10, 11
_RGB = (b"RGB", b"rgb")


class JpegError(ValueError):
    """The bytes are no JPEG codestream, or break off before its first scan."""


@dataclass(frozen=True)
class JpegHeader:
    """A frame header, and what the application segments around it add.

    Attributes:
        kind: the marker of the frame header, `BASELINE` and so on.
        precision: the bits of a sample.
        width: in pixels.
        height: likewise.
        components: the byte that names each.
        sampling: the horizontal and the vertical sampling factor of each.
        has_jfif: whether there is a JFIF segment.
        adobe_transform: of Adobe's segment, 0 for none, 1 for YCbCr.
        spiff_size: height and width in a SPIFF header, which CharLS believes rather than these.
        end: where the frame header ends, in bytes.
    """

    kind: int
    precision: int
    width: int
    height: int
    components: bytes
    sampling: tuple[int, ...]
    has_jfif: bool
    adobe_transform: int | None
    spiff_size: tuple[int, int] | None
    end: int

    @property
    def is_ycbcr(self) -> bool | None:
        """Whether three components are YCbCr, rather than RGB; None where nothing tells."""
        # Nobody leaves out a part of the red and the blue.
        if len(set(self.sampling)) > 1:
            return True
        if self.components in _RGB:
            return False
        if self.adobe_transform is not None:
            return self.adobe_transform != 0
        return True if self.has_jfif else None


def header_of(codestream: bytes) -> JpegHeader:
    """Read a codestream up to its first scan.

    Raises:
        JpegError: it is none, or has no frame header there.
        struct.error: it breaks off.
    """
    if not codestream.startswith(START_OF_IMAGE):
        raise JpegError("The codestream does not begin as a JPEG.")
    offset, frame = len(START_OF_IMAGE), None
    segments: dict[bytes, bytes] = {}
    while True:
        while codestream[offset : offset + 2] == b"\xff\xff":  # fill bytes
            offset += 1
        prefix, marker, length = struct.unpack_from(">BBH", codestream, offset)
        if prefix != 0xFF:
            raise JpegError("The codestream has no frame header.")
        if marker == _START_OF_SCAN:
            break
        content = offset + 4
        if marker in _FRAME_HEADERS and frame is None:
            frame = (marker, content, offset + 2 + length)
        name = _SEGMENTS.get(marker)
        if name and codestream.startswith(name, content):
            segments.setdefault(name, codestream[content : offset + 2 + length])
        offset += 2 + length
    return _header(codestream, frame, segments)


def _header(
    codestream: bytes, frame: tuple[int, int, int] | None, segments: dict[bytes, bytes]
) -> JpegHeader:
    if frame is None:
        raise JpegError("The codestream has no frame header.")
    kind, content, end = frame
    precision, height, width, count = struct.unpack_from(">BHHB", codestream, content)
    parts = struct.unpack_from(3 * count * "B", codestream, content + 6)
    # Some writers cut Adobe's segment short.
    transform = segments.get(_ADOBE, b"")[_ADOBE_TRANSFORM:]
    spiff = struct.unpack_from(">II", segments[_SPIFF], _SPIFF_SIZE) if _SPIFF in segments else None
    return JpegHeader(
        kind=kind,
        precision=precision,
        width=width,
        height=height,
        components=bytes(parts[::3]),
        sampling=parts[1::3],
        has_jfif=_JFIF in segments,
        adobe_transform=transform[0] if transform else None,
        spiff_size=spiff,
        end=end,
    )
