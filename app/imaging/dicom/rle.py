"""RLE Lossless frames (PS3.5, annex G)."""

import struct

import imagecodecs
import numpy as np
import numpy.typing as npt

# The number of segments, and where each begins.
_HEADER = struct.Struct("<16L")
_NO_OPERATION = 128


def decode(frame: bytes, rows: int, columns: int, samples: int, size: int) -> npt.NDArray[np.uint8]:
    """Decode a frame; what follows the last pixel of a segment is passed over.

    Args:
        frame: the header and the segments, each of a byte of all pixels, the most significant
            first.
        rows: of the image.
        columns: of the image.
        samples: a pixel.
        size: of a sample, in bytes.

    Returns:
        uint8 `[rows, columns, samples, size]`, the most significant byte of a sample first.

    Raises:
        ValueError: there are more or fewer segments, or one ends too soon, or a row too late.
        Exception: whatever the header or a segment is broken in.
    """
    count, *starts = _HEADER.unpack_from(frame)
    if count != samples * size:
        raise ValueError("The frame has another number of segments.")
    ends = [*starts[1:count], len(frame)]
    planes = [
        _unpacked(frame[start:end], rows * columns, columns)
        for start, end in zip(starts[:count], ends, strict=True)
    ]
    return np.stack(planes, axis=-1).reshape(rows, columns, samples, size)


def _unpacked(segment: bytes, pixels: int, columns: int) -> npt.NDArray[np.uint8]:
    """A segment's bytes, uint8 `[pixels]`."""
    try:
        found = imagecodecs.packbits_decode(segment, out=bytearray(pixels))
    except RuntimeError:
        # It goes on after the last pixel, which the decoder takes for a fault.
        end, _ = _runs(segment, pixels)
        padding, most = segment[end:], columns + _NO_OPERATION
        if padding.strip(b"\0") and _runs(padding, most)[1] >= most:
            raise ValueError("A segment has a row too many.") from None
        room = bytearray(pixels + _NO_OPERATION)
        found = imagecodecs.packbits_decode(segment[:end], out=room)
    if len(found) < pixels:
        raise ValueError("A segment ends too soon.")
    return np.frombuffer(found, np.uint8, pixels)


def _runs(segment: bytes, pixels: int) -> tuple[int, int]:
    """Where the run ends that the last pixel is of, and how many there are up to there."""
    offset = made = 0
    while made < pixels and offset < len(segment):
        control = segment[offset]
        if control < _NO_OPERATION:  # a literal run
            offset += 2 + control
            made += 1 + control
        elif control > _NO_OPERATION:  # a byte again and again
            offset += 2
            made += 257 - control
        else:
            offset += 1
    return offset, made
