import struct
import subprocess
import sys
import time
import zlib
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from app.errors import UnreadableImageError
from app.imaging.decode import decode
from app.imaging.dicom.file import read
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom, encoded
from tests.app.imaging.files import tiff
from tests.app.imaging.memory import MEBIBYTE, peak_growth

CHEST = synthetic.chest(size=(80, 96))
META_END = 132 + 12  # and as many bytes as the group's length says


def split(data: bytes) -> tuple[bytes, bytes]:
    """The file's head with its File Meta Information, and what follows."""
    (length,) = struct.unpack_from("<I", data, META_END - 4)
    return data[: META_END + length], data[META_END + length :]


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HH2sHI", group, number, vr, 0, size) + value


def refused(data: bytes, why: str, max_pixels: int = 10**6) -> None:
    with pytest.raises(UnreadableImageError, match=why):
        decode(data, max_pixels)


def test_only_what_an_image_is_made_of_is_kept() -> None:
    dataset = read(dicom(CHEST, PatientID="7"), 0)
    assert "PatientName" not in dataset
    assert "PatientID" not in dataset
    assert dataset.Rows == 80
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


@pytest.mark.parametrize("syntax", [b"", b"1.2.3", b"1.2.840.113619.5.2", b"not a UID"])
def test_a_transfer_syntax_that_is_none(syntax: bytes) -> None:
    uid = ExplicitVRLittleEndian.encode()
    data = dicom(CHEST).replace(uid + b"\0", (syntax + bytes(20))[: len(uid) + 1])
    refused(data, "names no transfer syntax")
    refused(bytes(128) + b"DICM", "names no transfer syntax")


@pytest.mark.parametrize("tail", [bytes(10**6), b"\xff" * 1000, b"x" * 99])
def test_what_follows_the_pixels_is_not_read(tail: bytes) -> None:
    np.testing.assert_array_equal(decode(dicom(CHEST) + tail).pixels, CHEST)


def test_a_file_may_lack_its_preamble() -> None:
    np.testing.assert_array_equal(decode(dicom(CHEST)[132:]).pixels, CHEST)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("first", ["SpecificCharacterSet", "ImageType", "SOPClassUID"])
def test_a_data_set_alone_is_read(syntax: UID, first: str) -> None:
    pixels = CHEST.astype(np.uint16) * 16
    elements: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
    if first != "SOPClassUID":
        elements[first] = (
            "ISO_IR 100" if first == "SpecificCharacterSet" else ["ORIGINAL", "PRIMARY"]
        )
    _, body = split(dicom(pixels, syntax=syntax, **elements))
    radiograph = decode(body)
    assert radiograph.format == "DICOM"
    np.testing.assert_array_equal(radiograph.pixels, decode(dicom(pixels, **elements)).pixels)


def test_a_file_that_inflates_costs_no_memory() -> None:
    head, _ = split(dicom(CHEST, syntax=DeflatedExplicitVRLittleEndian))
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    zeros = bytes(MEBIBYTE)
    body = b"".join(deflater.compress(zeros) for _ in range(200)) + deflater.flush()
    growth = peak_growth(lambda: refused(head + body, "inflates to too many bytes"))
    assert growth < 16 * MEBIBYTE


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_truncated_deflated_file(kept: int) -> None:
    head, body = split(dicom(CHEST, syntax=DeflatedExplicitVRLittleEndian))
    refused(head + body.rstrip(b"\0")[:kept], "truncated|broken")


SMALL = element(0x0009, 0x1010, b"UN", b"")
NESTED = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + SMALL * 10**6
UNENDING = element(0x0009, 0x1011, b"SQ", NESTED, 0xFFFFFFFF)
DEEP = element(0x0009, 0x1012, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF), 0xFFFFFFFF)
CHARACTER_SET = element(0x0008, 0x0005, b"UT", b"\\" * 10**7)
NESTED_SET = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + CHARACTER_SET
BOMBS = {
    "character sets": (CHARACTER_SET, "too long"),
    "character sets in a sequence": (
        element(0x0009, 0x1011, b"SQ", NESTED_SET, 0xFFFFFFFF),
        "too long",
    ),
    "elements": (SMALL * 10**6, "too many elements"),
    "elements in a sequence": (UNENDING, "too many elements"),
    "sequences in sequences": (DEEP * 10**5, "too many elements|broken"),
    "a long list of windows": (
        element(0x0028, 0x1050, b"UN", b"1\\" * 4 * MEBIBYTE),
        "an element that is too long",
    ),
    "a long sequence of LUTs": (
        element(0x0028, 0x3010, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 0) * MEBIBYTE),
        "an element that is too long",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_elements_that_ask_for_much(name: str) -> None:
    bomb, why = BOMBS[name]
    head, body = split(dicom(CHEST))
    started = time.monotonic()
    growth = peak_growth(lambda: refused(head + bomb + body, why))
    assert growth < 64 * MEBIBYTE
    assert time.monotonic() - started < 5


def test_elements_of_a_usual_number_are_read() -> None:
    head, body = split(dicom(CHEST))
    assert decode(head + body[:0] + SMALL * 5000 + body).format == "DICOM"


def test_private_sequences_are_passed_over() -> None:
    item = Dataset()
    item.PatientName = "Doe^Jane"
    data = dicom(CHEST, ReferencedImageSequence=Sequence([item] * 50))
    np.testing.assert_array_equal(decode(data).pixels, CHEST)


def broken(data: bytes) -> bytes:
    """The data with some bytes in the middle that are none of it."""
    middle = len(data) // 2
    return data[:middle] + b"\xff\xc4\0\2\xff\x7f" * 9 + data[middle + 54 :]


def test_nothing_of_a_file_gets_into_a_log() -> None:
    """In a process of its own, since pytest collects warnings and log records itself."""
    marked: dict[str, Any] = {"PatientName": "Doe^Jane", "WindowCenter": 5, "WindowWidth": 9}
    good = dicom(CHEST, **marked)
    files = [
        good,
        good[:-999],
        good.replace(b"\x50\x10DS", b"\x50\x10XX"),
        good.replace(b"DX", b"\xc3("),
        dicom(CHEST, syntax=JPEGBaseline8Bit, **marked)[:-500],
        dicom(CHEST, syntax=JPEGBaseline8Bit, Rows=79, **marked),
        dicom(CHEST, syntax=RLELossless, frame=b"\1" + bytes(63) + b"\0", **marked),
        *(
            dicom(CHEST, syntax=syntax, frame=broken(encoded(CHEST, syntax, 8)), **marked)
            for syntax in (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000)
        ),
        broken(synthetic.encode(CHEST, ".jpeg")),
        tiff(CHEST, {270: 2**31}),
    ]
    script = (
        "import logging, sys; logging.basicConfig(level=0)\n"
        "from app.host import process; process.prepare()\n"
        "from app.imaging.decode import decode\n"
        f"for data in {files!r}:\n"
        "    try: decode(data)\n"
        "    except ValueError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-"],
        input=script.encode(),
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
