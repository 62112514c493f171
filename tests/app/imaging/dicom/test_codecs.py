"""Every transfer syntax, through `decode`."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from app.errors import UnreadableImageError
from app.imaging.decode import decode
from tests import synthetic
from tests.app.imaging import files
from tests.app.imaging.dicom.dicoms import LOSSLESS, dicom, encoded, shipped

CHEST = synthetic.chest(size=(240, 320))
DEEP = CHEST.astype(np.uint16) * 10 + 500
WINDOW: dict[str, Any] = {"WindowCenter": 1500, "WindowWidth": 2000}


def difference(one: bytes, other: bytes) -> float:
    pixels = [decode(data).pixels.astype(int) for data in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).max())


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_lossless(syntax: UID, bits: int) -> None:
    pixels = CHEST if bits == 8 else (CHEST.astype(np.uint16) << (bits - 8)) + 1
    stored: dict[str, Any] = {"BitsStored": bits, "HighBit": bits - 1}
    assert difference(dicom(pixels, syntax=syntax, **stored), dicom(pixels, **stored)) == 0


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_lossless_signed(syntax: UID) -> None:
    pixels = (DEEP.astype(np.int16) - 1500).astype(np.int16)
    assert difference(dicom(pixels, syntax=syntax), dicom(pixels)) == 0


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_lossless_colour(syntax: UID) -> None:
    pixels = np.stack([CHEST, CHEST // 2, 255 - CHEST], axis=-1)
    assert difference(dicom(pixels, syntax=syntax), dicom(pixels)) == 0


@pytest.mark.parametrize(
    ("syntax", "bits"),
    [
        (JPEGBaseline8Bit, 8),
        (JPEGExtended12Bit, 8),
        (JPEGExtended12Bit, 12),
        (JPEGLSNearLossless, 8),
        (JPEGLSNearLossless, 12),
        (JPEG2000, 8),
        (JPEG2000, 12),
        (JPEG2000, 16),
    ],
    ids=str,
)
def test_lossy(syntax: UID, bits: int) -> None:
    pixels = CHEST if bits == 8 else (CHEST.astype(np.uint16) << (bits - 8)) + 1
    stored: dict[str, Any] = {"BitsStored": bits, "HighBit": bits - 1}
    found, expected = (
        decode(data).pixels.astype(int)
        for data in (dicom(pixels, syntax=syntax, **stored), dicom(pixels, **stored))
    )
    assert np.abs(found - expected).mean() < 1.5


def test_a_frame_may_lie_in_several_fragments() -> None:
    codestream = encoded(DEEP, JPEGLosslessSV1, 16)
    fragments = encapsulate([codestream], fragments_per_frame=3)
    split = dicom(DEEP, syntax=JPEGLosslessSV1, PixelData=fragments, **WINDOW)
    assert difference(split, dicom(DEEP, **WINDOW)) == 0


@pytest.mark.parametrize("offset", [b"\x39\x30\0\0", b"\0\0\0\0\x10\0\0\0", b"\1\2\3\4\5\6"])
@pytest.mark.parametrize("fragments", [1, 3])
def test_one_frame_is_all_fragments_whatever_the_offset_table_says(
    fragments: int, offset: bytes
) -> None:
    items = encapsulate([encoded(DEEP, JPEGLosslessSV1, 16)], fragments, has_bot=False)
    table = b"\xfe\xff\0\xe0" + len(offset).to_bytes(4, "little") + offset
    odd = dicom(DEEP, syntax=JPEGLosslessSV1, PixelData=table + items[8:], **WINDOW)
    assert difference(odd, dicom(DEEP, **WINDOW)) == 0


def test_the_offset_table_may_be_missing() -> None:
    items = encapsulate([encoded(DEEP, JPEGLosslessSV1, 16)], has_bot=False)
    odd = dicom(DEEP, syntax=JPEGLosslessSV1, PixelData=items[8:], **WINDOW)
    assert difference(odd, dicom(DEEP, **WINDOW)) == 0


def test_pixels_that_are_no_items_are_broken() -> None:
    data = dicom(DEEP, syntax=JPEGLosslessSV1, PixelData=b"\xfe\xff\0\xe0\xff\xff\0\0" + b"abcd")
    with pytest.raises(UnreadableImageError, match="broken"):
        decode(data)


@pytest.mark.parametrize(
    "tail", [b"\0", b"\0\0\0", b" ", b"\xff\xff\xff", b"\xff\xd9", b"garbage!"]
)
@pytest.mark.parametrize(
    "syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless], ids=lambda syntax: syntax.keyword
)
@pytest.mark.parametrize("is_open", [False, True])
def test_what_follows_the_codestream_is_dropped(syntax: UID, tail: bytes, is_open: bool) -> None:
    codestream = encoded(DEEP, syntax, 16)
    if is_open and syntax == JPEG2000Lossless:  # the length of the last tile-part is left open
        start = codestream.index(b"\xff\x90\0\x0a")
        codestream = codestream[: start + 6] + bytes(4) + codestream[start + 10 :]
    found = dicom(DEEP, syntax=syntax, frame=codestream + tail, **WINDOW)
    assert difference(found, dicom(DEEP, **WINDOW)) == 0


COLOURS = np.stack([CHEST, CHEST // 2, 255 - CHEST], axis=-1)


def jpeg(subsampling: int = 0, components: bytes | None = None, **options: Any) -> bytes:
    """A JPEG of `COLOURS` with no segment of an application, its components named anew."""
    buffer = BytesIO()
    Image.fromarray(COLOURS).save(buffer, "JPEG", quality=95, subsampling=subsampling, **options)
    data = bytearray(buffer.getvalue())
    assert data[2:4].hex() in ("ffe0", "ffee")
    del data[2 : 4 + int.from_bytes(data[4:6], "big")]
    if components:
        frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
        for index, name in enumerate(components):
            data[frame + 10 + 3 * index] = data[scan + 5 + 2 * index] = name
    return bytes(data)


def adobe(data: bytes, transform: int) -> bytes:
    segment = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
    return data[:2] + segment + data[2:]


LUMA = np.asarray(Image.fromarray(COLOURS).convert("L")).astype(int)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize(
    "frame",
    [jpeg(1), jpeg(2), adobe(jpeg(), 1), files.encoded(COLOURS, "JPEG", subsampling=0)],
    ids=["4:2:2", "4:2:0", "Adobe", "JFIF"],
)
def test_ycbcr_is_told_from_the_codestream(frame: bytes, photometric: str) -> None:
    data = dicom(
        COLOURS, syntax=JPEGBaseline8Bit, frame=frame, PhotometricInterpretation=photometric
    )
    assert np.abs(decode(data).pixels - LUMA).mean() < 1.5


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize("told", ["RGB", "rgb", "Adobe"])
def test_rgb_is_told_from_the_codestream(told: str, photometric: str) -> None:
    frame = jpeg(keep_rgb=True, components=None if told == "Adobe" else told.encode())
    if told == "Adobe":
        frame = adobe(jpeg(keep_rgb=True, components=b"\1\2\3"), 0)
    data = dicom(
        COLOURS, syntax=JPEGBaseline8Bit, frame=frame, PhotometricInterpretation=photometric
    )
    assert np.abs(decode(data).pixels - LUMA).mean() < 1.5


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_where_a_codestream_does_not_tell_the_data_set_does(photometric: str) -> None:
    frame = jpeg(keep_rgb=photometric == "RGB", components=b"\0\1\2")
    data = dicom(
        COLOURS, syntax=JPEGBaseline8Bit, frame=frame, PhotometricInterpretation=photometric
    )
    assert np.abs(decode(data).pixels - LUMA).mean() < 1.5


def test_an_adobe_segment_may_be_cut_short() -> None:
    frame = jpeg(keep_rgb=True, components=b"RGB")
    short = frame[:2] + b"\xff\xee\0\x07Adobe" + frame[2:]
    data = dicom(COLOURS, syntax=JPEGBaseline8Bit, frame=short)
    assert np.abs(decode(data).pixels - LUMA).mean() < 1.5


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("SC_rgb_rle.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_gdcm_KY.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jls_lossy_sample.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_jpeg_gdcm.dcm"),
        ("SC_rgb_jpeg.dcm", "SC_rgb_jpeg_dcmd.dcm"),
    ],
)
def test_files_of_other_writers(name: str, reference: str) -> None:
    assert difference(shipped(name), shipped(reference)) <= 3


def test_a_deflated_file_of_another_writer() -> None:
    assert decode(shipped("image_dfl.dcm")).pixels.shape == (512, 512)


@pytest.mark.parametrize(
    "syntax", [HTJ2KLossless, UID("1.2.840.10008.1.2.4.110"), UID("1.2.840.10008.1.2.8.1")]
)
def test_a_compression_that_is_not_read(syntax: UID) -> None:
    # Put in afterwards, since pydicom may not know it.
    data = dicom(CHEST, syntax=JPEG2000, frame=b"\xff\x4f")
    old, new = (uid.encode().ljust(24, b"\0") for uid in (JPEG2000, syntax))
    length = data.index(b"UL\4\0") + 4
    group = int.from_bytes(data[length : length + 4], "little") + 2
    data = data[:length] + group.to_bytes(4, "little") + data[length + 4 :]
    data = data.replace(b"UI\x16\0" + old[:22], b"UI\x18\0" + new)
    with pytest.raises(UnreadableImageError, match="compressed in a way that is not read"):
        decode(data)


@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless]
)
def test_a_frame_of_another_size(syntax: UID) -> None:
    frame = encoded(CHEST, syntax, 8)
    for rows in (120, 300):
        with pytest.raises(UnreadableImageError, match=r"not of the size|broken"):
            decode(dicom(CHEST, syntax=syntax, frame=frame, Rows=rows))


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLosslessSV1, JPEG2000])
def test_a_frame_of_another_compression(syntax: UID) -> None:
    with pytest.raises(UnreadableImageError, match="not compressed as the DICOM file says"):
        decode(dicom(CHEST, syntax=syntax, frame=encoded(CHEST, JPEGLSLossless, 8)))
