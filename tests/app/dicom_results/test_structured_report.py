import re
from pathlib import Path
from typing import Any

import pytest
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from app.codes import Label, WarningCode
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import report_uid, structured_report
from tests.app.dicom_results.given import (
    BARE,
    CR,
    DX,
    HEADER,
    IMAGE,
    PATIENT_AND_STUDY,
    PROBABILITY,
    STUDY,
    WRONG,
    assert_valid,
    checked,
    model,
    parse,
    reading,
    source_file,
)
from tests.app.reading.profiles import profile


def reported(elements: dict[str, Any] | None = None, **changes: Any) -> bytes:
    source = read_source(source_file(**(elements or {})))
    return structured_report(source, reading(**changes))


def group(data: bytes) -> Any:
    """The one measurement group."""
    document = ComprehensiveSR.from_dataset(parse(data))
    groups = document.content.get_image_measurement_groups()  # type: ignore[attr-defined]
    assert len(groups) == 1
    return groups[0]


def texts(data: bytes, *codes: str) -> list[str]:
    """The texts of the measurement group that have one of the codes."""
    items = group(data)[0].ContentSequence
    return [item.TextValue for item in items if item.name.value in codes and "TextValue" in item]


def comments(data: bytes) -> list[str]:
    return texts(data, "121106")


def test_its_uid_is_known_before_the_image_is_read() -> None:
    header = Dataset()
    header.StudyInstanceUID, header.SOPInstanceUID = STUDY, IMAGE

    assert report_uid(header, model()) == parse(reported()).SOPInstanceUID


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "elements", [DX, CR, BARE, WRONG], ids=["digital", "computed", "bare", "wrong"]
)
def test_is_valid(elements: dict[str, Any], tmp_path: Path) -> None:
    assert_valid(reported(elements), tmp_path)


def test_is_read_by_dsrdump(tmp_path: Path) -> None:
    data = reported(warnings=[WarningCode.NOT_LIKE_A_CHEST_XRAY])
    shown = checked(data, tmp_path, "dsrdump", "+Pl", "+Pc", package="dcmtk")

    for line in (
        '<CONTAINER:(126000,DCM,"Imaging Measurement Report")=CONTINUOUS>',
        '<has obs context TEXT:(121015,DCM,"Device Observer Model Name")="pneumonia">',
        '<contains CODE:(233604007,SCT,"Pneumonia")=(52101004,SCT,"Present")>',
        '<contains CODE:(121075,DCM,"Recommendation")=(128201,DCM,"For Physician Review")>',
        '<contains TEXT:(121106,DCM,"Comment")="Warning: not_like_a_chest_xray">',
    ):
        assert line in shown
    number = re.search(r'NUM:\(122157,DCM,"Probability"\)="([\d.]+)" \(1,UCUM', shown)
    assert number
    assert float(number[1]) == pytest.approx(PROBABILITY, abs=1e-13)


def test_belongs_to_the_patient_and_the_study_in_a_series_of_its_own() -> None:
    report = parse(reported())

    assert report.SOPClassUID == ComprehensiveSRStorage
    assert report.StudyInstanceUID == STUDY
    assert report.SeriesInstanceUID not in (HEADER["SeriesInstanceUID"], "")
    for keyword in PATIENT_AND_STUDY:
        assert report[keyword].value == HEADER[keyword], keyword
    assert "PatientOrientation" not in report


@pytest.mark.parametrize(
    ("label", "code"),
    [("PNEUMONIA", "52101004"), ("NORMAL", "272519000"), ("INDETERMINATE", "373068000")],
)
def test_the_finding_is_present_or_absent(label: str, code: str) -> None:
    [evaluation] = group(reported(label=Label(label))).get_qualitative_evaluations()

    assert (evaluation.name.value, evaluation.name.scheme_designator) == ("233604007", "SCT")
    assert evaluation.value.value == code


def evaluations(data: bytes) -> list[tuple[str, str]]:
    """The questions and answers after that about pneumonia, as codes."""
    found = group(data).get_qualitative_evaluations()[1:]
    return [(_code(one.name), _code(one.value)) for one in found]


def _code(concept: Any) -> str:
    return f"{concept.scheme_designator} {concept.value}"


def test_a_clear_image_is_recommended_to_nobody() -> None:
    assert evaluations(reported()) == []


@pytest.mark.parametrize(
    ("warning", "coded"),
    [
        (WarningCode.NO_LUNGS_FOUND, [("SCT 39607008", "DCM 122288")]),
        (WarningCode.LUNGS_CUT_OFF, [("DCM 111052", "DCM 111209")]),
        (WarningCode.LATERAL_VIEW, [("DCM 111031", "SCT 399067008")]),
        (WarningCode.NOT_LIKE_A_CHEST_XRAY, []),
        (WarningCode.LOW_RESOLUTION, []),
    ],
)
def test_that_a_person_should_read_is_coded_and_why_as_far_as_dicom_can(
    warning: WarningCode, coded: list[tuple[str, str]], tmp_path: Path
) -> None:
    data = reported(warnings=[warning])

    assert evaluations(data) == [("DCM 121075", "DCM 128201"), *coded]
    assert f"Reason for review: {warning}" in comments(data)
    assert_valid(data, tmp_path)


def test_that_no_label_can_be_excluded_is_for_a_person_too() -> None:
    data = reported(prediction_set=[Label.NORMAL, Label.PNEUMONIA])

    assert evaluations(data) == [("DCM 121075", "DCM 128201")]
    assert comments(data)[-1] == "Reason for review: both_labels_possible"


@pytest.mark.parametrize("probability", [PROBABILITY, 0.0, 1.0, 1e-12, 1 / 3])
def test_the_probability_is_the_readings(probability: float) -> None:
    read = reading(probability=probability)
    data = structured_report(read_source(source_file()), read)
    [measurement] = group(data).get_measurements()
    item = measurement[0].MeasuredValueSequence[0]

    assert measurement.name.value == "122157"
    assert measurement.unit.value == "1"
    assert measurement.value == read.probability
    assert float(item.NumericValue) == pytest.approx(read.probability, rel=1e-9)
    finding, _ = measurement[0].ContentSequence
    assert finding.ConceptCodeSequence[0].CodeValue == "233604007"


def test_the_model_is_the_observer_and_its_version_the_algorithms() -> None:
    document = ComprehensiveSR.from_dataset(parse(reported()))
    [observer] = document.content.get_observer_contexts()  # type: ignore[attr-defined]
    device = observer.observer_identifying_attributes

    assert (device.name, device.manufacturer_name) == ("pneumoscope", "pneumoscope")
    assert device.model_name == "pneumonia"
    assert texts(reported(), "111001", "111003", "111002") == [
        "pneumonia",
        "1",
        "Pneumonia is present where its probability is at least 0.4",
        f"SHA-256 of the model: {model().digest}",
    ]


@pytest.mark.parametrize("read_by", [model(), model(profile())], ids=["model", "site profile"])
def test_the_algorithm_has_the_values_of_the_contributing_equipment(read_by: Any) -> None:
    data = reported(model=read_by)
    [equipment] = parse(data).ContributingEquipmentSequence
    document = ComprehensiveSR.from_dataset(parse(data))
    [observer] = document.content.get_observer_contexts()  # type: ignore[attr-defined]
    device = observer.observer_identifying_attributes

    # IHE AI Results, table 6.5.3.1-1.
    assert equipment.Manufacturer == device.manufacturer_name
    assert [equipment.ManufacturerModelName] * 2 == [device.model_name, *texts(data, "111001")]
    assert [equipment.SoftwareVersions] == texts(data, "111003")
    assert equipment.DeviceUID == device.uid


def test_by_which_site_profile_it_was_read(tmp_path: Path) -> None:
    read_by = profile(prevalence=0.1, threshold={"value": 0.75, "sensitivity": 0.9})
    data = reported(model=model(read_by), probability=0.9375)

    assert texts(data, "111002") == [
        "Pneumonia is present where its probability is at least 0.25",
        f"SHA-256 of the model: {model().digest}",
        f"SHA-256 of the site profile: {read_by.digest}",
        "Site profile of 2026-01-01: prevalence of pneumonia 0.1",
    ]
    [measurement] = group(data).get_measurements()
    assert measurement.value == pytest.approx(0.625)
    assert_valid(data, tmp_path)


def test_another_site_profile_gives_another_report_in_the_same_series() -> None:
    profiles = None, profile(), profile(prevalence=0.2)
    reports = [parse(reported(model=model(one))) for one in profiles]

    assert len({report.SOPInstanceUID for report in reports}) == 3
    assert len({report.SeriesInstanceUID for report in reports}) == 1


def test_refers_to_the_image() -> None:
    report = parse(reported())

    [study] = report.CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    [image] = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (
        STUDY,
        HEADER["SeriesInstanceUID"],
    )
    assert image.ReferencedSOPInstanceUID == IMAGE
    [source] = group(reported()).source_images
    assert source.referenced_sop_instance_uid == IMAGE


def test_says_what_it_is_for_and_who_should_read_on() -> None:
    report = parse(reported())
    assert report.SeriesDescription == "For research use: pneumoscope report, pneumonia 1"
    assert report.ContentQualification == "RESEARCH"
    assert (report.CompletionFlag, report.PreliminaryFlag) == ("COMPLETE", "PRELIMINARY")
    assert report.VerificationFlag == "UNVERIFIED"
    assert comments(reported()) == [
        "For research use only: not a medical device.",
        "Conformal prediction set: PNEUMONIA",
    ]
    unsure = reported(
        prediction_set=[Label.NORMAL, Label.PNEUMONIA],
        warnings=[WarningCode.LOW_RESOLUTION, WarningCode.NOT_A_CHEST],
    )
    assert comments(unsure)[1:] == [
        "Conformal prediction set: NORMAL, PNEUMONIA (a person should read the image)",
        "Warning: low_resolution",
        "Warning: not_a_chest",
        "Reason for review: both_labels_possible",
        "Reason for review: low_resolution",
        "Reason for review: not_a_chest",
    ]


def test_the_same_image_gives_the_same_bytes() -> None:
    assert reported() == reported()
