"""The header of the image that was read: which patient and study its results belong to."""

import re
import unicodedata
from datetime import datetime
from typing import Any

from pydicom import Dataset, config, dcmread
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.valuerep import DA, TM, validate_value

from app.dicom_results.identity import IDENTIFYING, taken_over
from app.errors import IncompleteDicomError
from app.imaging.dicom.file import MeteredFile
from app.imaging.errors import SHORTAGES, blaming_the_image
from app.imaging.formats import is_dicom

_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# Type 2 in the Patient and General Study modules (PS3.3, C.7.1.1 and C.7.2.1): empty if unknown.
_EMPTY_IF_UNKNOWN = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
_LEFT_OUT_IF_UNKNOWN = (
    "IssuerOfPatientID",
    "PatientAge",
    "StudyDescription",
    "PatientOrientation",
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "PixelSpacing",
)
# When the image was taken, the closest first.
_MOMENTS = tuple(
    (f"{what}Date", f"{what}Time") for what in ("Acquisition", "Content", "Series", "Study")
)
# In the file's character set, too, but no more than informative: taken over where they are valid.
_DESCRIPTIVE = ("ReferringPhysicianName", "StudyDescription")
_UTF_8 = "ISO_IR 192"
# Where the attribute allows less than its value representation (PS3.3, C.7.1.1 and C.7.6.1).
_PATTERNS = {
    "PatientSex": re.compile("[MFO]"),
    "PatientOrientation": re.compile("[APRLHF]{1,3}"),
    "BurnedInAnnotation": re.compile("YES|NO"),
    "LossyImageCompression": re.compile("0[01]"),
    # Of a length.
    "PixelSpacing": re.compile(r"(?=.*[1-9])\d*\.?\d*", re.ASCII),
}
# In bytes; the longest name has 3 components of 64 characters.
_LONGEST = 4096
_ANYTHING = re.compile(".*", re.DOTALL)
# More lenient than PS3.5, 9.1, which forbids leading zeros: a study is found under the UID it has.
_UID = re.compile(r"(?=.{1,64}$)\d+(\.\d+)*", re.ASCII)
_CONTROL, _NOT_DECODED = "Cc", "\ufffd"


class Source(Dataset):
    """The header of an image, as its results are made of it.

    Attributes:
        as_it_came: what identifies the patient and the study, byte for byte, with its character
            set: a result carries this, whatever is valid of it.
    """

    as_it_came: Dataset


def read_source(data: bytes) -> Source:
    """Read what a result takes over from the image that it is about.

    A value that its value representation does not allow, or that the file's character set does
    not, counts as unknown, but for `as_it_came`.

    Args:
        data: a DICOM file that was decoded, so that its size is within the limits.

    Returns:
        The UIDs of the image, its series and its study, the patient's and the study's attributes,
        and those of the image that its overlay and its Segmentations share. Text is declared to be
        UTF-8, which loses no character whatever the file's own character set is.

    Raises:
        UnreadableImageError: the DICOM file is broken.
        IncompleteDicomError: it lacks a UID, is of an unknown SOP class, or is not identified by
            text.
        MemoryError: memory is short.
        ImportError: a module could not be loaded.
    """
    wanted = [*_UIDS, *_EMPTY_IF_UNKNOWN, *_LEFT_OUT_IF_UNKNOWN, *sum(_MOMENTS, ())]
    with blaming_the_image("The DICOM file is broken or truncated."):
        header = dcmread(
            MeteredFile(data),
            stop_before_pixels=True,
            specific_tags=wanted,
            force=is_dicom(data),  # an image without its preamble is read too
        )
    as_it_came = taken_over(header, (*IDENTIFYING, *_DESCRIPTIVE))
    values = {keyword: _value(header, keyword) for keyword in wanted}
    _check(values)
    for keyword in IDENTIFYING:
        if keyword in header and keyword not in as_it_came:
            raise IncompleteDicomError(
                f"The DICOM image's {keyword} is no text that a result can carry."
            )
    for keyword in _DESCRIPTIVE:
        if keyword in as_it_came and values[keyword] is None:
            del as_it_came[keyword]
    source = Source()
    source.as_it_came = as_it_came
    source.SpecificCharacterSet = _UTF_8
    for keyword, value in values.items():
        if value is not None or keyword in _EMPTY_IF_UNKNOWN:
            setattr(source, keyword, value)
    return source


def taken(source: Dataset) -> datetime | None:
    """When the image was taken, in the time zone of the device that took it, or None."""
    for date, time in _MOMENTS:
        day, moment = DA(source.get(date)), TM(source.get(time))
        if day is not None:
            return datetime.combine(day, moment or datetime.min.time())
    return None


def _check(values: dict[str, Any]) -> None:
    """Pass where there is enough to refer to.

    Raises:
        IncompleteDicomError: there is not.
    """
    for keyword in _UIDS:
        if values[keyword] is None:
            raise IncompleteDicomError(
                f"The DICOM image lacks a valid {keyword}, which a result refers to."
            )
    # What highdicom knows: the image classes of PS3.4, annex B.5, that are of medicine and current.
    sop_class = UID(values["SOPClassUID"])
    if "Image Storage" not in sop_class.name or sop_class.info or sop_class.is_retired:
        raise IncompleteDicomError("The DICOM image is of a private or retired SOP class.")


def _value(dataset: Dataset, keyword: str) -> Any:
    """An attribute's value, or None where it is absent, empty or not allowed."""
    try:
        # While it is bytes still: each number of a list would become an object.
        raw = dataset.get_item(keyword)
        if isinstance(raw.value, bytes) and len(raw.value) > _LONGEST:
            return None
        element = dataset[keyword]
        several = element.value if isinstance(element.value, MultiValue) else [element.value]
        vr, multiplicity = dictionary_VR(keyword), dictionary_VM(keyword)
        if vr != element.VR or (multiplicity.isdecimal() and len(several) != int(multiplicity)):
            return None
        parts = [_allowed(keyword, vr, part) for part in several]
    except SHORTAGES:
        raise
    # A value may not even come out of its bytes, in whichever way.
    except Exception:
        return None
    if not all(parts):
        return None
    return parts if len(parts) > 1 else parts[0]


def _allowed(keyword: str, vr: str, value: Any) -> str:
    """The value as text.

    Raises:
        ValueError: it is not one of the value representation (PS3.5, table 6.2-1).
    """
    text = str(value)
    if vr == "UI":
        valid = _UID.fullmatch(text) is not None
    else:
        validate_value(vr, text, config.RAISE)
        valid = _NOT_DECODED not in text and _CONTROL not in map(unicodedata.category, text)
    if not valid or not _PATTERNS.get(keyword, _ANYTHING).fullmatch(text):
        raise ValueError(f"not a value of {keyword}")
    # A day that the calendar does not have passes for a date above.
    {"DA": DA, "TM": TM}.get(vr, str)(text)
    return text
