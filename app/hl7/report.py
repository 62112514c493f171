"""A reading as an unsolicited observation: ORU^R01 of HL7 2.5.1, chapter 7.

It says what the Structured Report says, in the same codes. The report's own numbers follow from the
image's and the model's UIDs, so that a receiver which gets a reading twice can tell.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from highdicom.sr import CodedConcept
from pydicom.sr.coding import Code
from pydicom.uid import UID
from pydicom.valuerep import PersonName

from app.codes import Label
from app.dicom_results import uids
from app.dicom_results.instance import FOR_RESEARCH, PRODUCT, instance_uid, software
from app.dicom_results.source import Source, taken
from app.dicom_results.structured_report import (
    CHEST_RADIOGRAPHY,
    FINDINGS,
    PNEUMONIA,
    PREDICTION_SET,
    PROBABILITY,
    REVIEW,
)
from app.reading.reading import Reading

Concept = Code | CodedConcept

_KIND = "hl7"
_STUDY_UID = Code("110180", "DCM", "Study Instance UID")
_NO_UNIT = "1^no units^UCUM"
_PRELIMINARY = "P"
_DECIMALS = 6
# Table 0078.
_NORMAL, _ABNORMAL, _HIGH = "N", "A", "H"
_FLAGS = {Label.NORMAL: _NORMAL, Label.PNEUMONIA: _ABNORMAL, Label.INDETERMINATE: ""}
# Chapter 2.7.1. Characters that end a segment, and others that no text has, become a space.
_ESCAPED = str.maketrans(
    {char: f"\\{code}\\" for char, code in zip("|^&~\\", "FSTRE", strict=True)}
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def oru(source: Source, reading: Reading, made: datetime) -> bytes:
    """The message, in UTF-8: segments that end with a carriage return.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image.
        made: when.
    """
    uid = instance_uid(source, reading.model, _KIND)
    moment = _time(made)
    segments = [
        _header(_control_id(uid), moment),
        _patient(source),
        _request(source, uid, moment),
        *(["NTE", str(number), "", note] for number, note in enumerate(_notes(reading), 1)),
        *_observations(source, reading),
    ]
    return b"".join("|".join(fields).rstrip("|").encode() + b"\r" for fields in segments)


def _header(control_id: str, moment: str) -> list[str]:
    fields = {
        1: r"^~\&",
        2: PRODUCT,
        6: moment,
        8: "ORU^R01^ORU_R01",
        9: control_id,
        10: "P",
        11: "2.5.1",
        17: "UNICODE UTF-8",
    }
    # The first separator is itself a field.
    return ["MSH", *(fields.get(number, "") for number in range(1, 18))]


def _control_id(uid: UID) -> str:
    """Of 20 characters at most: the message's, the same whenever the image is read."""
    return uids.uuid_of(uid).hex[:20]


def _patient(source: Source) -> list[str]:
    number, issuer = _text(source.get("PatientID")), _text(source.get("IssuerOfPatientID"))
    identifier = f"{number}^^^{issuer}" if issuer else number
    born, sex = _text(source.get("PatientBirthDate")), _text(source.get("PatientSex"))
    return ["PID", "1", "", identifier, "", _name(source.get("PatientName")), "", born, sex]


def _name(value: PersonName | None) -> str:
    """PS3.5, 6.2.1 has the prefix before the suffix, and HL7's XPN the other way round."""
    name = value or PersonName("")
    parts = name.family_name, name.given_name, name.middle_name, name.name_suffix, name.name_prefix
    return "^".join(map(_text, parts)).rstrip("^")


def _request(source: Source, uid: UID, moment: str) -> list[str]:
    order = _text(source.get("AccessionNumber"))
    when = taken(source)
    fields = {
        1: "1",
        3: uid,
        4: _concept(CHEST_RADIOGRAPHY),
        7: _time(when) if when else "",
        18: order,
        22: moment,
        24: "RAD",
        25: _PRELIMINARY,
    }
    return ["OBR", *(fields.get(number, "") for number in range(1, 26))]


def _notes(reading: Reading) -> Iterator[str]:
    model = reading.model
    yield _text(FOR_RESEARCH)
    yield _text(f"{software()}, model {model.name} {model.version}, SHA-256 {model.digest}")
    if model.profile:
        yield f"Site profile of {model.profile.created:%Y-%m-%d}, SHA-256 {model.profile_digest}"
    yield f"{PREDICTION_SET}{', '.join(reading.prediction_set)}"
    yield from (f"Reason for review: {code}" for code in reading.reasons)
    yield from (f"Warning: {code}" for code in reading.warnings)


def _observations(source: Source, reading: Reading) -> Iterator[list[str]]:
    probability = round(reading.probability, _DECIMALS)
    found = [
        ("CWE", PNEUMONIA, _concept(FINDINGS[reading.label]), "", "", _FLAGS[reading.label]),
        (
            "NM",
            PROBABILITY,
            f"{probability:.{_DECIMALS}f}",
            _NO_UNIT,
            f"<{reading.threshold:g}",
            _HIGH if reading.probability >= reading.threshold else _NORMAL,
        ),
        ("ST", _STUDY_UID, str(source.StudyInstanceUID), "", "", ""),
    ]
    if reading.review:
        question, answer = REVIEW
        found.append(("CWE", question, _concept(answer), "", "", _ABNORMAL))
    for number, (kind, question, value, unit, below, flag) in enumerate(found, 1):
        asked = _concept(question)
        yield ["OBX", str(number), kind, asked, "", value, unit, below, flag, "", "", _PRELIMINARY]


def _concept(code: Concept) -> str:
    return "^".join((code.value, _text(code.meaning), code.scheme_designator))


def _time(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S%z}"


def _text(value: object) -> str:
    return _CONTROL.sub(" ", str(value or "")).translate(_ESCAPED)
