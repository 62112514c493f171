"""What identifies a study, from an image's file to its results' files, byte for byte."""

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from app.dicom_results.identity import carry
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.errors import IncompleteDicomError
from tests.app.dicom_results.given import overlay, parse, reading, source_file

KEYWORDS = ("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID")


def raw(values: dict[str, bytes], vr: str = "LO") -> Any:
    """A file's rewriting, after which its elements have these bytes."""

    def write(dataset: Dataset) -> None:
        taken = Dataset()
        for keyword, value in values.items():
            tag = Tag(keyword)
            taken[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
        if "SpecificCharacterSet" in dataset:
            taken.SpecificCharacterSet = dataset.SpecificCharacterSet
        carry(dataset, taken)

    return write


def results(file: bytes) -> list[Dataset]:
    source = read_source(file)
    written = [
        secondary_capture(source, reading(), overlay(), "pneumonia"),
        *(
            write(source, reading())
            for write in (structured_report, evidence_segmentation, lungs_segmentation)
        ),
    ]
    return [parse(data) for data in written]


def bytes_of(dataset: Dataset, keyword: str) -> bytes:
    value = dataset.get_item(keyword).value
    assert isinstance(value, bytes)
    return value


VALUES = {
    "long": b"HOSPITAL-NORTH-RADIOLOGY-2024-0000000000000000000000000000000001234567",
    "control": b"12\t34",
    "backslash": b"123\\4567",
    "Latin-1": b"M\xfcller^J\xf6rg",
    "UTF-8": "Müller^Jörg".encode(),
    "blanks": b"  12 ",
    "null": b"7788\0\0",
    "Japanese": "Yamada^Tarou=山田^太郎".encode("iso2022_jp"),
    "Chinese": "王^小東".encode("gb18030"),
    "nothing": b"",
}
CHARACTER_SETS = [None, "ISO_IR 100", "ISO_IR 192", "ISO_IR 999", "GB18030", ["", "ISO 2022 IR 87"]]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("character_set", CHARACTER_SETS, ids=str)
@pytest.mark.parametrize("name", VALUES)
def test_it_is_kept_byte_for_byte(name: str, character_set: Any) -> None:
    value = VALUES[name] + b" " * (len(VALUES[name]) % 2)
    file = source_file(
        SpecificCharacterSet=character_set,
        ReferringPhysicianName=None,
        StudyDescription=None,
        rewrite=raw(dict.fromkeys(KEYWORDS, value)),
    )
    for result in results(file):
        assert result.get("SpecificCharacterSet") == parse(file).get("SpecificCharacterSet")
        for keyword in KEYWORDS:
            assert bytes_of(result, keyword) == value
            assert {"PatientName": "PN", "StudyID": "SH"}.get(
                keyword, "SH" if keyword == "AccessionNumber" else "LO"
            ) == result[keyword].VR


@pytest.mark.parametrize("vr", ["SH", "CS", "LT", "PN", "IS"])
def test_the_value_representation_does_not_matter(vr: str) -> None:
    for result in results(source_file(rewrite=raw({"PatientID": b"7788"}, vr))):
        assert result.PatientID == "7788"


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_what_no_result_can_carry_is_told_and_not_quoted(keyword: str) -> None:
    file = source_file(rewrite=raw({keyword: b"AB"}, "US"))
    with pytest.raises(IncompleteDicomError, match=f"{keyword} is no text") as raised:
        read_source(file)
    assert raised.value.code == "incomplete_dicom"
    assert "AB" not in str(raised.value)


def test_further_text_keeps_its_character_set_too() -> None:
    file = source_file()
    for result in results(file):
        for keyword in ("ReferringPhysicianName", "StudyDescription"):
            assert bytes_of(result, keyword) == bytes_of(parse(file), keyword)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_further_text_that_is_not_well_formed_is_unknown() -> None:
    file = source_file(
        SpecificCharacterSet="ISO_IR 192",
        rewrite=raw({"StudyDescription": b"f\xfcr ", "PatientID": b"\xd6-12"}),
    )
    for result in results(file):
        assert not result.get("StudyDescription")
        assert bytes_of(result, "PatientID") == b"\xd6-12"
