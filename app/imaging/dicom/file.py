"""A DICOM file's bytes to the elements that an image is made of (PS3.10, section 7).

What is read is bounded before it is read, since a few bytes can ask for much: elements nested in
elements, a long list of numbers, a deflated file.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO

from pydicom import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from app.errors import UnreadableImageError
from app.imaging.formats import DICOM_MARK, DICOM_PREAMBLE, has_preamble

_META_GROUP = 0x0002
_TRANSFER_SYNTAX = Tag("TransferSyntaxUID")
_PIXEL_DATA = Tag("PixelData")
_META = (_TRANSFER_SYNTAX, Tag("SourceApplicationEntityTitle"))
# The root of the standard's (PS3.6, annex A), which adds to them every year.
_OF_THE_STANDARD = re.compile(r"1\.2\.840\.10008\.1\.2(\.\d+)*", re.ASCII)
# An explicit VR, after a tag.
_VR = re.compile(rb"[A-Z]{2}")

_READ = tuple(
    Tag(keyword)
    for keyword in (
        "SOPClassUID",
        "Modality",
        "BodyPartExamined",
        "BurnedInAnnotation",
        "AnatomicRegionSequence",
        "ViewPosition",
        "ViewCodeSequence",
        "PatientAge",
        "PatientBirthDate",
        "StudyDate",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "PlanarConfiguration",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
        "ModalityLUTSequence",
        "RescaleIntercept",
        "RescaleSlope",
        "VOILUTSequence",
        "WindowCenter",
        "WindowWidth",
        "VOILUTFunction",
        "PresentationLUTShape",
        "RedPaletteColorLookupTableDescriptor",
        "GreenPaletteColorLookupTableDescriptor",
        "BluePaletteColorLookupTableDescriptor",
        "RedPaletteColorLookupTableData",
        "GreenPaletteColorLookupTableData",
        "BluePaletteColorLookupTableData",
        "PixelData",
    )
)
# In bytes. A lookup table has at most 65,536 entries of 16 bits; its sequence may hold several.
_LONGEST = 4096
_LONGEST_TABLE = 2**18
_LONGEST_SEQUENCE = 2**20
_LONGER = {
    Tag("AnatomicRegionSequence"): _LONGEST_SEQUENCE,
    Tag("ViewCodeSequence"): _LONGEST_SEQUENCE,
    Tag("ModalityLUTSequence"): _LONGEST_SEQUENCE,
    Tag("VOILUTSequence"): _LONGEST_SEQUENCE,
    Tag("RedPaletteColorLookupTableData"): _LONGEST_TABLE,
    Tag("GreenPaletteColorLookupTableData"): _LONGEST_TABLE,
    Tag("BluePaletteColorLookupTableData"): _LONGEST_TABLE,
    _PIXEL_DATA: 2**32,
}
# Its tag, in either byte order, in the bytes that pydicom reads at once of each element.
_CHARACTER_SET = (b"\x08\x00\x05\x00", b"\x00\x08\x00\x05")
_HEADER_BYTES = 8
# Each element costs two or three reads, however deep it lies; a radiograph has some hundreds.
_MOST_READS = 100_000


class MeteredFile(BytesIO):
    """A file that pydicom may read a limited number of times, however its elements are nested.

    One element is decoded while it is read, and each of its values becomes an object: the character
    set, which is to be short.

    Raises:
        UnreadableImageError: it has too many elements, or a character set that is too long.
    """

    _reads = 0
    _header = b""

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MOST_READS:
            raise UnreadableImageError("The DICOM file has too many elements.")
        if size is not None and size > _LONGEST and self._header[:4] in _CHARACTER_SET:
            raise _too_long()
        found = super().read(size)
        if size == _HEADER_BYTES:
            self._header = found
        return found


def read(data: bytes, most_inflated: int, wanted: Sequence[BaseTag] = _READ) -> Dataset:
    """The elements of a DICOM file that are wanted, and no others.

    What follows the pixels is not read: a million of zeros, in some files.

    Args:
        data: the file's bytes, with or without the preamble. A data set without File Meta
            Information is taken to be uncompressed.
        most_inflated: as many bytes as a deflated file may have when it is inflated.
        wanted: the elements' tags; by default, all that an image is made of.

    Returns:
        The dataset, with its transfer syntax, and who sent it, in `file_meta`.

    Raises:
        UnreadableImageError: no transfer syntax is given, or one that is not read, a file inflates
            to more bytes or not at all, there are too many elements, or one is too long.
        Exception: whatever pydicom raises when it reads malformed bytes.
    """
    file = MeteredFile(data)
    if has_preamble(data):
        file.seek(DICOM_PREAMBLE + len(DICOM_MARK))
    meta = _meta(file, data)
    _check_lengths(meta)
    syntax = _syntax(meta)
    if syntax == DeflatedExplicitVRLittleEndian:
        file = MeteredFile(_inflate(data[file.tell() :], most_inflated))
    dataset = read_dataset(
        file,
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        stop_when=_after_pixels(),
        specific_tags=list(wanted),
    )
    _check_lengths(dataset)
    dataset.file_meta = FileMetaDataset(meta)
    return dataset


def _meta(file: BytesIO, data: bytes) -> Dataset:
    """The File Meta Information, or the transfer syntax that a file without it shows."""
    if has_preamble(data) or data[0] == _META_GROUP:
        return read_dataset(file, False, True, stop_when=_after_meta, specific_tags=list(_META))
    meta = Dataset()
    if data[0] == 0:
        meta.TransferSyntaxUID = ExplicitVRBigEndian
    else:
        explicit = _VR.match(data, 4)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    return meta


def _syntax(meta: Dataset) -> UID:
    syntax = meta.get("TransferSyntaxUID")
    if not isinstance(syntax, UID) or not _OF_THE_STANDARD.fullmatch(syntax):
        raise UnreadableImageError("The DICOM file names no transfer syntax of the standard.")
    # A compression that is younger than the library's dictionary.
    if not syntax.is_transfer_syntax:
        raise unread_compression()
    return syntax


def unread_compression() -> UnreadableImageError:
    """The error of a transfer syntax whose pixels are not read."""
    return UnreadableImageError(
        "The DICOM image is compressed in a way that is not read; send it as JPEG, JPEG-LS, "
        "JPEG 2000, RLE or uncompressed."
    )


def _after_pixels() -> Callable[[BaseTag, str | None, int], bool]:
    """A condition to stop reading, for one file: true of whatever follows the pixels."""
    found = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal found
        if found:
            return True
        found = tag == _PIXEL_DATA
        return False

    return stop


def _after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != _META_GROUP


def _check_lengths(dataset: Dataset) -> None:
    """Refuse long values while they are bytes; each number of a list would become an object."""
    for element in dataset.elements():
        value = element.value
        if isinstance(value, bytes) and len(value) > _LONGER.get(element.tag, _LONGEST):
            raise _too_long()


def _too_long() -> UnreadableImageError:
    return UnreadableImageError("The DICOM file has an element that is too long.")


def _inflate(body: bytes, most: int) -> bytes:
    """Inflate the elements after the File Meta Information (PS3.5, section A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(body, most)
    if inflater.unconsumed_tail:
        raise UnreadableImageError("The deflated DICOM file inflates to too many bytes.")
    if not inflater.eof:
        raise UnreadableImageError("The deflated DICOM file is truncated.")
    return inflated
