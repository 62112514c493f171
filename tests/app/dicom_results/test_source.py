import time
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from highdicom._standard_utils import get_sop_class_iod_map
from pydicom._uid_dict import UID_dictionary

from app.dicom_results.source import read_source, taken
from app.errors import IncompleteDicomError, UnreadableImageError
from tests.app.dicom_results.given import (
    BARE,
    HEADER,
    IMAGE,
    SERIES,
    STUDY,
    WRONG,
    parse,
    source_file,
)

TYPE_2 = (
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


def test_patient_and_study_are_taken_over() -> None:
    source = read_source(source_file())

    for keyword in (*TYPE_2, "PatientAge", "IssuerOfPatientID", "StudyDescription"):
        assert source[keyword].value == HEADER[keyword]
    assert (source.StudyInstanceUID, source.SeriesInstanceUID) == (STUDY, SERIES)
    assert source.SOPInstanceUID == IMAGE
    assert source.PatientOrientation == ["L", "F"]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("LossyImageCompressionRatio", "1\\" * 1_000_000 + "1"),
        ("LossyImageCompressionMethod", "ISO_10918_1\\" * 200_000 + "ISO_10918_1"),
        ("StudyDescription", "x" * 2_000_000),
    ],
)
def test_a_value_without_end_is_not_read(keyword: str, value: str) -> None:
    data = source_file(**{keyword: value.split("\\") if "\\" in value else value})
    started = time.thread_time()

    assert keyword not in read_source(data)
    assert time.thread_time() - started < 0.5


def test_elements_without_end_are_not_read() -> None:
    data = source_file()
    start = data.index(b"\x08\x00\x16\x00UI")
    item = b"\xfe\xff\x00\xe0\0\0\0\0"
    items = b"\x08\x00\x06\x00SQ\0\0\xff\xff\xff\xff" + item * 10**6
    with pytest.raises(UnreadableImageError, match="too many elements"):
        read_source(data[:start] + items + data[start:])


def test_nothing_else_is_taken_over() -> None:
    source = read_source(source_file(PatientAddress="Street", InstitutionName="Hospital"))

    assert "PatientAddress" not in source
    assert "InstitutionName" not in source


def test_what_is_unknown_is_empty_where_it_is_required_and_left_out_elsewhere() -> None:
    source = read_source(source_file(**BARE))

    assert all(source[keyword].is_empty for keyword in TYPE_2)
    assert "PatientAge" not in source
    assert taken(source) is None


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("keyword", WRONG)
def test_what_is_wrong_counts_as_unknown(keyword: str) -> None:
    source = read_source(source_file(**{keyword: WRONG[keyword]}))

    assert source[keyword].is_empty if keyword in TYPE_2 else keyword not in source


@pytest.mark.parametrize("spacing", [["0", "0.14"], ["-0.14", "0.14"], "0.14", None])
def test_a_spacing_that_is_no_length_counts_as_unknown(spacing: Any) -> None:
    assert "PixelSpacing" not in read_source(source_file(PixelSpacing=spacing))


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Иван^Юлия"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_text_of_any_character_set_becomes_utf_8(character_set: str | list[str], name: str) -> None:
    others = dict.fromkeys(("ReferringPhysicianName", "StudyDescription"))
    file = source_file(SpecificCharacterSet=character_set, PatientName=name, **others)

    source = read_source(file)

    assert source.SpecificCharacterSet == "ISO_IR 192"
    assert source.PatientName == name


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("declared", [b"ISO_IR 192", b"ISO_IR 999"])
def test_bytes_that_are_not_of_the_character_set_do_not_fail(declared: bytes) -> None:
    file = source_file().replace(b"ISO_IR 100", declared)

    source = read_source(file)

    assert source.PatientID == HEADER["PatientID"]
    assert "\ufffd" not in str(source.PatientName)


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"]
)
@pytest.mark.parametrize("value", [None, "", "Planted", "1..2", "1." * 33])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_missing_uid_is_named_and_no_value_is(keyword: str, value: str | None) -> None:
    dataset = parse(source_file())
    setattr(dataset, keyword, value)
    file = BytesIO()
    dataset.save_as(file)

    with pytest.raises(IncompleteDicomError) as raised:
        read_source(file.getvalue())

    assert raised.value.code == "incomplete_dicom"
    assert keyword in str(raised.value)
    assert "Planted" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_study_whose_uid_has_leading_zeros_is_still_that_study() -> None:
    assert read_source(source_file(StudyInstanceUID="1.02.003")).StudyInstanceUID == "1.02.003"


@pytest.mark.parametrize(
    "uid", ["1.2.840.113619.4.2", "1.2.840.10008.5.1.4.1.1.5", "1.2.840.10008.5.1.4.1.1.501.1"]
)
def test_private_retired_and_foreign_classes_are_refused(uid: str) -> None:
    with pytest.raises(IncompleteDicomError, match="SOP class"):
        read_source(source_file(SOPClassUID=uid))


def test_highdicom_knows_every_class_that_is_not_refused() -> None:
    known = get_sop_class_iod_map()
    for uid in UID_dictionary:
        if uid in known or "Image Storage" not in UID_dictionary[uid][0]:
            continue
        with pytest.raises(IncompleteDicomError, match="SOP class"):
            read_source(source_file(SOPClassUID=uid))


def test_a_file_without_its_preamble_is_read() -> None:
    assert read_source(source_file()[132:]) == read_source(source_file())


@pytest.mark.parametrize("shortage", [MemoryError, ImportError])
def test_a_shortage_is_neither_a_broken_file_nor_an_unknown_value(
    shortage: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise shortage

    file = source_file()
    monkeypatch.setattr("app.dicom_results.source.validate_value", fail)
    with pytest.raises(shortage):
        read_source(file)
    monkeypatch.setattr("app.dicom_results.source.dcmread", fail)
    with pytest.raises(shortage):
        read_source(file)


def test_a_broken_file_is_told_from_an_incomplete_one() -> None:
    with pytest.raises(UnreadableImageError):
        read_source(source_file()[:120])


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, datetime(2026, 3, 1, 10, 20, 30, 500_000)),
        ({"AcquisitionTime": None}, datetime(2026, 3, 1)),
        ({"AcquisitionDate": None}, datetime(2026, 3, 1, 10, 15)),
        ({"AcquisitionDate": None, "SeriesDate": "20260228"}, datetime(2026, 2, 28)),
    ],
)
def test_the_image_was_taken_at_the_closest_moment(
    elements: dict[str, Any], expected: datetime
) -> None:
    assert taken(read_source(source_file(**elements))) == expected
