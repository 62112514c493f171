import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from app.errors import UnreadableImageError
from app.imaging.decode import decode
from app.imaging.dicom.codestream import Frame, frame_of
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom, encoded
from tests.app.imaging.memory import MEBIBYTE, peak_growth

CHEST = synthetic.chest(size=(96, 80))
VAST = 60_000
SIZ, COD, SOT, SOD = (b"\xff\x51", b"\xff\x52", b"\xff\x90", b"\xff\x93")
MARKERS = {
    JPEGBaseline8Bit: b"\xff\xc0",
    JPEGExtended12Bit: b"\xff\xc1",
    JPEGLossless: b"\xff\xc3",
    JPEGLosslessSV1: b"\xff\xc3",
    JPEGLSLossless: b"\xff\xf7",
    JPEGLSNearLossless: b"\xff\xf7",
}
JPEG_2000 = (JPEG2000Lossless, JPEG2000)


def frame(syntax: UID) -> bytes:
    bits = 12 if syntax == JPEGExtended12Bit else 8
    return encoded(CHEST if bits == 8 else CHEST.astype(np.uint16) * 16, syntax, bits)


def declaring(codestream: bytes, side: int) -> bytes:
    """The codestream with another size in its header."""
    changed = bytearray(codestream)
    if codestream.startswith(b"\xff\x4f"):
        siz = codestream.index(SIZ)
        for at in (6, 22):  # of the image, of a tile
            struct.pack_into(">II", changed, siz + at, side, side)
    else:
        if b"SPIFF" in codestream:
            struct.pack_into(">II", changed, codestream.index(b"SPIFF") + 10, side, side)
        marker = next(m for m in set(MARKERS.values()) if m in codestream)
        struct.pack_into(">HH", changed, codestream.index(marker) + 5, side, side)
    return bytes(changed)


def coded(coding: bytes, style: int, side: int, layers: int = 1) -> bytes:
    """A JPEG 2000 codestream of `side` x `side` pixels, of another coding style."""
    codestream = declaring(frame(JPEG2000), side)
    start = codestream.index(COD)
    (length,) = struct.unpack_from(">H", codestream, start + 2)
    segment = struct.pack(">BBHB", style, 0, layers, 0) + coding
    changed = COD + struct.pack(">H", len(segment) + 2) + segment
    return codestream[:start] + changed + codestream[start + 2 + length :]


@pytest.mark.parametrize("syntax", [*MARKERS, *JPEG_2000], ids=lambda syntax: syntax.keyword)
def test_the_size_that_a_codestream_declares(syntax: UID) -> None:
    assert frame_of(frame(syntax), syntax) == Frame(80, 96, 1)
    assert frame_of(declaring(frame(syntax), 5000), syntax) == Frame(5000, 5000, 1)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000])
def test_the_samples_that_a_codestream_declares(syntax: UID) -> None:
    colours = np.stack([CHEST] * 3, axis=-1)
    assert frame_of(encoded(colours, syntax, 8), syntax).samples == 3


@pytest.mark.parametrize("syntax", [*MARKERS, *JPEG_2000], ids=lambda syntax: syntax.keyword)
def test_a_codestream_that_lies_costs_no_memory(syntax: UID) -> None:
    data = dicom(CHEST, syntax=syntax, frame=declaring(frame(syntax), VAST))

    def refused() -> None:
        with pytest.raises(
            UnreadableImageError, match=r"not of the size|too many or too small parts"
        ):
            decode(data)

    assert peak_growth(refused) < 8 * MEBIBYTE


@pytest.mark.parametrize("syntax", [*MARKERS, *JPEG_2000], ids=lambda syntax: syntax.keyword)
def test_a_codestream_that_breaks_off(syntax: UID) -> None:
    codestream = frame(syntax)
    for end in [*range(1, 100), len(codestream) // 2]:
        with pytest.raises(UnreadableImageError):
            decode(dicom(CHEST, syntax=syntax, frame=codestream[:end]))


def test_a_progressive_jpeg_is_refused() -> None:
    buffer = BytesIO()
    Image.fromarray(CHEST).save(buffer, "JPEG", progressive=True)
    with pytest.raises(UnreadableImageError, match="not compressed as"):
        frame_of(buffer.getvalue(), JPEGBaseline8Bit)


def test_a_jpeg_of_many_scans_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match="too many or too small parts"):
        frame_of(frame(JPEGBaseline8Bit) + b"\xff\xda" * 100, JPEGBaseline8Bit)


def test_a_spiff_header_that_lies_is_refused() -> None:
    codestream = bytearray(frame(JPEGLSLossless))
    struct.pack_into(">II", codestream, codestream.index(b"SPIFF") + 10, VAST, VAST)
    with pytest.raises(UnreadableImageError, match="not compressed as"):
        frame_of(bytes(codestream), JPEGLSLossless)


def test_fill_bytes_before_a_marker() -> None:
    codestream = frame(JPEGBaseline8Bit)
    filled = codestream[:2] + b"\xff\xff\xff" + codestream[2:]
    assert frame_of(filled, JPEGBaseline8Bit) == Frame(80, 96, 1)


@pytest.mark.parametrize("syntax", JPEG_2000)
def test_a_jp2_file_is_no_codestream(syntax: UID) -> None:
    with pytest.raises(UnreadableImageError, match="not compressed as"):
        frame_of(b"\0\0\0\x0cjP  " + frame(syntax), syntax)


PRECINCTS_OF_2 = bytes([5, 4, 4, 0, 1]) + b"\x11" * 6
WASTEFUL = {
    "precincts": coded(PRECINCTS_OF_2, 1, 2000),
    "code blocks": coded(bytes([5, 0, 0, 0, 1]), 0, 2000),
    "layers": coded(bytes([5, 4, 4, 0, 1]), 0, 2000, layers=65535),
}


@pytest.mark.parametrize("name", WASTEFUL)
def test_a_jpeg_2000_in_too_many_parts_costs_no_memory(name: str) -> None:
    """OpenJPEG took 2.2 GB and half a minute for the first."""
    data = dicom(CHEST, syntax=JPEG2000, frame=WASTEFUL[name], Rows=2000, Columns=2000)

    def refused() -> None:
        with pytest.raises(UnreadableImageError, match="too many or too small parts"):
            decode(data)

    assert peak_growth(refused) < 8 * MEBIBYTE


def test_many_tiles_are_refused() -> None:
    codestream = bytearray(declaring(frame(JPEG2000), 2000))
    struct.pack_into(">II", codestream, codestream.index(SIZ) + 22, 20, 20)
    with pytest.raises(UnreadableImageError, match="too many or too small parts"):
        frame_of(bytes(codestream), JPEG2000)


def test_a_tile_part_may_have_a_coding_style_of_its_own() -> None:
    codestream = declaring(frame(JPEG2000), 2000)
    start = codestream.index(SOT)
    data = codestream.index(SOD, start)
    segment = struct.pack(">BBHB", 1, 0, 1, 0) + PRECINCTS_OF_2
    inserted = COD + struct.pack(">H", len(segment) + 2) + segment
    with pytest.raises(UnreadableImageError, match="too many or too small parts"):
        frame_of(codestream[:data] + inserted + codestream[data:], JPEG2000)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tile_size": (128, 128)},
        {"precinct_size": (128, 128), "codeblock_size": (32, 32)},
        {"quality_layers": [40, 20, 10], "irreversible": True},
    ],
)
def test_usual_coding_styles_are_read(options: dict[str, object]) -> None:
    buffer = BytesIO()
    large = np.tile(CHEST, (10, 10))
    Image.fromarray(large).save(buffer, "JPEG2000", no_jp2=True, **options)
    found = decode(dicom(large, syntax=JPEG2000, frame=buffer.getvalue())).pixels
    assert np.abs(found.astype(int) - large).mean() < 4
