import struct

import numpy as np
import pytest
from pydicom.uid import RLELossless

from app.errors import UnreadableImageError
from app.imaging.decode import decode
from app.imaging.dicom import rle
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom, encoded

CHEST = synthetic.chest(size=(80, 96))
DEEP = CHEST.astype(np.uint16) * 16 + 3


def frame(*segments: bytes) -> bytes:
    """A frame of segments, as they are."""
    starts, offset = [], 64
    for segment in segments:
        starts.append(offset)
        offset += len(segment)
    header = struct.pack("<16L", len(segments), *starts, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def segment(plane: bytes) -> bytes:
    """A segment of literal runs."""
    runs = (plane[start : start + 128] for start in range(0, len(plane), 128))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


TAILS = [b"\0\0", b"\0" * 10, b" ", b"\x20\x20", b"\x80\x80", b"\x81\x07", b"\xff", b"\x7fab"]


@pytest.mark.parametrize("tail", TAILS)
def test_what_follows_the_last_pixel_is_passed_over(tail: bytes) -> None:
    high, low = DEEP.astype(">u2").tobytes()[::2], DEEP.astype(">u2").tobytes()[1::2]
    data = frame(segment(high) + tail, segment(low) + tail)
    found = rle.decode(data, 80, 96, 1, 2)
    np.testing.assert_array_equal(found.view(">u2")[..., 0, 0], DEEP)
    np.testing.assert_array_equal(
        decode(dicom(DEEP, syntax=RLELossless, frame=data)).pixels, decode(dicom(DEEP)).pixels
    )


def test_the_last_run_may_go_on() -> None:
    data = frame(bytes([257 - 100, 7]) * 77)
    assert (rle.decode(data, 80, 96, 1, 1) == 7).all()


@pytest.mark.parametrize("missing", [1, 5, 1000])
def test_a_segment_that_ends_too_soon_is_broken(missing: int) -> None:
    data = frame(segment(CHEST.tobytes()[:-missing]))
    with pytest.raises(UnreadableImageError, match="broken"):
        decode(dicom(CHEST, syntax=RLELossless, frame=data))


@pytest.mark.parametrize("count", [0, 2, 3, 15, 2**31])
def test_another_number_of_segments_is_broken(count: int) -> None:
    data = struct.pack("<L", count) + encoded(CHEST, RLELossless, 8)[4:]
    with pytest.raises(UnreadableImageError, match="broken"):
        decode(dicom(CHEST, syntax=RLELossless, frame=data))
