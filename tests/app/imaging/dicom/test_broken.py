import random
import re
import time
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from app.errors import ImageError, UnreadableImageError
from app.imaging.decode import Radiograph, decode
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom, encoded, shipped
from tests.app.imaging.files import mutated
from tests.app.imaging.memory import MEBIBYTE, peak_growth

CHEST = synthetic.chest(size=(80, 96))
DEEP = CHEST.astype(np.uint16) * 16
TWELVE_BITS: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
SHIPPED = ["SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_gdcm_KY.dcm"]
# A sentence with no word but our own: file content would show capitals, digits or signs in it.
SAFE = re.compile(r"^(The|A) [A-Za-z0-9 ,;'.-]+\.$")
SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
]
FILES = {
    **{syntax.keyword: dicom(DEEP, syntax=syntax, **TWELVE_BITS) for syntax in SYNTAXES},
    JPEGBaseline8Bit.keyword: dicom(CHEST, syntax=JPEGBaseline8Bit),
}


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_unreadable_wherever_it_ends(name: str) -> None:
    data = FILES[name].rstrip(b"\0")
    # A few last bytes may be those of an end that decoders do not wait for.
    for end in [*range(132, 700, 13), *range(700, len(data) - 40, 397)]:
        with pytest.raises(UnreadableImageError):
            decode(data[:end])


def test_a_broken_jpeg_ls_frame_without_an_end_is_soon_refused() -> None:
    """CharLS took half a minute for one like it."""
    codestream = bytearray(encoded(DEEP, JPEGLSLossless, 12))
    end = codestream.rindex(b"\xff\xd9")
    for at, value in ((end * 2 // 3, 0x7F), (end * 3 // 4, 0), (end, 0x28)):
        codestream[at] = value
    started = time.monotonic()
    with pytest.raises(UnreadableImageError):
        decode(dicom(DEEP, syntax=JPEGLSLossless, frame=bytes(codestream)))
    assert time.monotonic() - started < 5


def test_every_mutation_is_an_image_or_an_image_error() -> None:
    chooser = random.Random(0)  # noqa: S311
    files = [*FILES.values(), *(shipped(name) for name in SHIPPED)]
    outcomes, slowest = set(), 0.0

    def decode_all() -> None:
        nonlocal slowest
        for _ in range(600):
            data = changed(chooser.choice(files), chooser)
            started = time.monotonic()
            outcomes.add(outcome(data))
            slowest = max(slowest, time.monotonic() - started)

    assert peak_growth(decode_all) < 128 * MEBIBYTE
    assert slowest < 5
    assert outcomes == {Radiograph, UnreadableImageError}


def changed(data: bytes, chooser: random.Random) -> bytes:
    """The data, changed in its elements or in its pixels, but still a DICOM file."""
    start = chooser.choice((132, data.index(b"\x28\x00") if b"\x28\x00" in data else 132, 700))
    return data[:start] + mutated(data[start:], chooser)


def outcome(data: bytes) -> type:
    """The type of what decoding gives or raises, `ValueError` where the message tells more."""
    try:
        return type(decode(data))
    except ImageError as error:
        return type(error) if SAFE.match(str(error)) else ValueError
