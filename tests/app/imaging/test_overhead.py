"""Files of the largest size that are made of nothing but parts: refused, and at once."""

import struct
import time
import zlib
from collections.abc import Callable

import pytest
from pydicom.uid import JPEG2000, JPEGBaseline8Bit

from app.errors import UnreadableImageError
from app.imaging.decode import decode
from app.imaging.dicom.codestream import frame_of
from benchmarks.images import samples

SIZE = 30_000_000
SAMPLES = samples()


def _jpeg(filling: bytes) -> bytes:
    data = SAMPLES["JPEG"]
    return data[:2] + filling * (SIZE // len(filling)) + data[2:]


def _png() -> bytes:
    data = SAMPLES["PNG"]
    chunk = struct.pack(">I4sI", 0, b"teSt", zlib.crc32(b"teSt"))
    return data[:33] + chunk * (SIZE // len(chunk)) + data[33:]


def _bmp() -> bytes:
    head = struct.pack("<2sIHHI", b"BM", SIZE, 0, 0, 54 + 1024)
    info = struct.pack("<IiiHHIIiiII", 40, 6000, 6000, 1, 8, 1, 0, 0, 0, 256, 0)
    return head + info + bytes(1024) + b"\x00\x00" * (SIZE // 2)


def _progressive() -> bytes:
    """A progressive JPEG whose last scan comes again and again, and of a large size."""
    data = SAMPLES["JPEG progressive"]
    frame = data.index(b"\xff\xc2")
    large = data[: frame + 5] + struct.pack(">HH", 6000, 6000) + data[frame + 9 :]
    last = large.rindex(b"\xff\xda")
    return large[:last] + large[last:-2] * 60 + large[-2:]


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG of fill bytes": lambda: _jpeg(b"\xff"),
    "JPEG of runs of fill bytes": lambda: _jpeg(b"\xff" * 60_000 + b"\xfe\x00\x02"),
    "JPEG of stray bytes": lambda: _jpeg(b"\xff\x00"),
    "JPEG of comments": lambda: _jpeg(b"\xff\xfe\x00\x02"),
    "JPEG of restart markers": lambda: _jpeg(b"\xff\xd0"),
    "PNG of chunks": _png,
    "BMP of runs": _bmp,
    "JPEG of scans": _progressive,
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_parts_is_refused_at_once(name: str) -> None:
    data = FILES[name]()
    started = time.thread_time()

    with pytest.raises(UnreadableImageError, match="too many"):
        decode(data)

    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    ("codestream", "syntax"),
    [
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * (SIZE // 4), JPEGBaseline8Bit),
        (b"\xff\xd8" + b"\xff" * SIZE, JPEGBaseline8Bit),
        (b"\xff\x4f\xff\x51" + bytes([0, 41]) + bytes(4) + bytes([0, 0, 1, 0] * 2), JPEG2000),
    ],
    ids=["comments", "fill bytes", "broken"],
)
def test_a_frame_of_parts_is_refused_at_once(codestream: bytes, syntax: str) -> None:
    started = time.thread_time()

    with pytest.raises(Exception):  # noqa: B017, PT011
        frame_of(codestream, syntax)  # type: ignore[arg-type]

    assert time.thread_time() - started < 1


def test_comments_of_a_jpeg_2000_codestream_are_counted() -> None:
    size = struct.pack(">HIIIIIIIIH", 0, 100, 100, 0, 0, 100, 100, 0, 0, 1)
    head = b"\xff\x4f\xff\x51" + struct.pack(">H", len(size) + 2) + size
    data = head + b"\xff\x64\x00\x02" * (SIZE // 4)

    with pytest.raises(UnreadableImageError, match="too many"):
        frame_of(data, JPEG2000)


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.startswith("DICOM")])
def test_what_encoders_write_is_read(name: str) -> None:
    assert decode(SAMPLES[name]).width == 128
