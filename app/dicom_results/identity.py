"""Whose image it is, and which order's: taken over byte for byte.

A PACS files a result by these, so that it must find in it what it has of the image, whether or not
the value is of its value representation or of the character set that is declared: Orthanc, for
one, keys a study by Patient ID and Study Instance UID.
"""

from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.tag import Tag

_CHARACTER_SET = "SpecificCharacterSet"
IDENTIFYING = ("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID")
# As many bytes as an element of a short text has at most in explicit VR.
_MOST_BYTES = 2**16 - 2
# Value representations that are characters (PS3.5, table 6.2-1), or unknown.
_TEXT = {
    *("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM"),
    *("UC", "UI", "UN", "UR", "UT", None),
}


def taken_over(header: Dataset, keywords: tuple[str, ...]) -> Dataset:
    """Elements as they are in a file, and the character set that their bytes are in.

    Args:
        header: of the file, none of whose elements was looked at: that decodes it.
        keywords: of text.

    Returns:
        A dataset of raw elements, each with the value representation that the standard gives it.
        What is no text, or longer than a result can have it, is not among them.
    """
    taken = Dataset()
    if _CHARACTER_SET in header:
        taken[_CHARACTER_SET] = header[_CHARACTER_SET]
    for keyword in keywords:
        element = header.get_item(keyword)
        if element is None:
            continue
        value = b"" if element.value is None else element.value
        if isinstance(value, bytes) and element.VR in _TEXT and len(value) <= _MOST_BYTES:
            even = value + b" " * (len(value) % 2)
            tag = Tag(keyword)
            taken[tag] = RawDataElement(tag, dictionary_VR(tag), len(even), even, 0, False, True)
    return taken


def carry(instance: Dataset, taken: Dataset) -> None:
    """Have a result carry what was taken over; what else it has of text is ASCII.

    Args:
        instance: to be written in Explicit VR Little Endian.
        taken: as `taken_over` gives it.
    """
    if _CHARACTER_SET in instance:
        del instance[_CHARACTER_SET]
    # What is left to be settled when a dataset is written decodes every element of it. So it is
    # settled before, and the dataset passes for one that was read as it is written.
    correct_ambiguous_vr(instance, True)
    for tag in taken.keys():  # noqa: SIM118  (its items would be decoded)
        instance[tag] = taken.get_item(tag)
    declared = instance.get(_CHARACTER_SET)
    encodings = convert_encodings(declared) if declared else default_encoding
    instance.set_original_encoding(False, True, encodings)
