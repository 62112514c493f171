"""Which type of image a file's bytes are, told by their first ones."""

import re

DICOM = "DICOM"
# Of a DICOM file, a preamble of any content and the mark (PS3.10, section 7.1).
DICOM_PREAMBLE = 128
DICOM_MARK = b"DICM"
# Files of old devices, and data sets as they go over the network, begin with their elements: those
# of the File Meta Information, or of group 0008, whose first ones are short, in explicit VR of
# either byte order or in implicit VR.
_FIRST_ELEMENT = re.compile(
    rb"\x02\x00[\x00-\x03]\x00(UL|OB|UI)"
    rb"|\x08\x00[\x00-\x18]\x00(UL|SH|CS|UI|[\x00-\xff][\x00-\x03]\x00\x00)"
    rb"|\x00\x08\x00[\x00-\x18](UL|SH|CS|UI)",
    re.DOTALL,
)

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
)


def is_dicom(data: bytes) -> bool:
    """Whether the bytes are of a DICOM file, or of one that lacks its preamble."""
    return has_preamble(data) or _FIRST_ELEMENT.match(data) is not None


def has_preamble(data: bytes) -> bool:
    """Whether the bytes are of a DICOM file as the standard has it."""
    return data.startswith(DICOM_MARK, DICOM_PREAMBLE)


def format_of(data: bytes) -> str | None:
    """`JPEG`, `PNG`, `WEBP`, `TIFF`, `BMP` or `DICOM`; None for anything else."""
    # First, since what precedes the mark of a DICOM file may pass for a TIFF.
    if is_dicom(data):
        return DICOM
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)
