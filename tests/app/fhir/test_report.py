"""Readings as FHIR: valid R4, with what the Structured Report says, for the image's own study."""

import json
from importlib.metadata import version
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from app.codes import Label, WarningCode
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.fhir.report import transaction
from tests.app.dicom_results.given import (
    BARE,
    HEADER,
    PROBABILITY,
    model,
    parse,
    reading,
    source_file,
)
from tests.app.reading.profiles import profile

Resource = dict[str, Any]


def written(elements: dict[str, Any] | None = None, **changes: Any) -> Resource:
    """The transaction, which holds against the published profiles' structure."""
    bundle = transaction(read_source(source_file(**(elements or {}))), reading(**changes))
    # R4B has these resources as R4 has them.
    Bundle.model_validate_json(json.dumps(bundle))
    return bundle


def resources(bundle: Resource, kind: str) -> list[Resource]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


def observation(bundle: Resource, code: str) -> Resource:
    (found,) = (
        one for one in resources(bundle, "Observation") if one["code"]["coding"][0]["code"] == code
    )
    return found


def test_the_probability_says_by_which_site_profile() -> None:
    bundle = written(model=model(profile(prevalence=0.1)), probability=0.9375)

    found = observation(bundle, "122157")
    assert found["valueQuantity"]["value"] == 0.625
    assert profile().digest in found["note"][-1]["text"]
    assert {one["id"] for one in resources(bundle, "DiagnosticReport")}.isdisjoint(
        one["id"] for one in resources(written(), "DiagnosticReport")
    )


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        (Label.PNEUMONIA, "Present"),
        (Label.NORMAL, "Absent"),
        (Label.INDETERMINATE, "Undetermined"),
    ],
)
def test_the_finding_is_a_question_with_an_answer(label: Label, answer: str) -> None:
    bundle = written(label=label)

    found = observation(bundle, "233604007")
    assert found["valueCodeableConcept"]["coding"][0]["display"] == answer
    (report,) = resources(bundle, "DiagnosticReport")
    assert f"Pneumonia: {answer.lower()}" in report["conclusion"]
    assert "not a medical device" in report["conclusion"]
    assert report["status"] == found["status"] == "preliminary"


def test_the_probability_is_the_readings() -> None:
    found = observation(written(), "122157")

    assert found["valueQuantity"]["value"] == pytest.approx(PROBABILITY, abs=1e-6)
    assert found["referenceRange"][0]["high"]["value"] == reading().threshold


def test_a_person_is_asked_for_only_where_one_should_read() -> None:
    assert len(resources(written(), "Observation")) == 2

    found = observation(written(warnings=[WarningCode.LUNGS_CUT_OFF]), "121075")

    assert found["valueCodeableConcept"]["coding"][0]["display"] == "For Physician Review"
    assert found["note"] == [{"text": "Reason for review: lungs_cut_off"}]


def test_it_belongs_to_the_patient_the_order_and_the_image() -> None:
    header = {"AccessionNumber": "A17"}
    bundle = written(header)
    source = read_source(source_file(**header))

    (report,) = resources(bundle, "DiagnosticReport")
    assert report["subject"]["identifier"]["value"] == HEADER["PatientID"]
    assert report["basedOn"][0]["identifier"]["value"] == "A17"
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{source.StudyInstanceUID}"
    for one in resources(bundle, "Observation"):
        (study,) = one["contained"]
        assert study["series"][0]["instance"][0]["uid"] == source.SOPInstanceUID
        assert one["derivedFrom"] == [{"reference": f"#{study['id']}"}]


def test_references_are_within_the_transaction() -> None:
    bundle = written()
    urls = [entry["fullUrl"] for entry in bundle["entry"]]

    assert len(set(urls)) == len(urls)
    (report,) = resources(bundle, "DiagnosticReport")
    referred = [one["reference"] for one in report["result"]]
    referred += [one["device"]["reference"] for one in resources(bundle, "Observation")]
    assert set(referred) <= set(urls)


def test_the_same_reading_gives_the_same_and_another_image_gives_others() -> None:
    first, second, other = written(), written(), written({"SOPInstanceUID": "1.2.3.4.9"})

    assert first == second
    shared = {e["fullUrl"] for e in first["entry"]} & {e["fullUrl"] for e in other["entry"]}
    # Only the model is the same.
    assert shared == {first["entry"][0]["fullUrl"]}


def test_an_image_of_nobody_has_no_subject() -> None:
    bundle = written(BARE)

    (report,) = resources(bundle, "DiagnosticReport")
    assert "subject" not in report
    assert "basedOn" not in report


def test_the_device_is_the_model_that_results_in_dicom_name() -> None:
    by_profile = model(profile())
    for read_by in (model(), by_profile):
        source, read = read_source(source_file()), reading(model=read_by)
        [equipment] = parse(structured_report(source, read)).ContributingEquipmentSequence
        (device,) = resources(transaction(source, read), "Device")

        assert device["identifier"][0]["value"] == f"urn:oid:{equipment.DeviceUID}"
        assert device["manufacturer"] == equipment.Manufacturer
        assert device["serialNumber"] == equipment.DeviceSerialNumber
        assert device["deviceName"][0]["name"] == equipment.ManufacturerModelName
        assert device["version"] == [{"value": equipment.SoftwareVersions}]


def test_the_same_device_says_the_same_whatever_it_reads() -> None:
    plain, other, by_profile = (
        resources(bundle, "Device")[0]
        for bundle in (
            written(),
            written({"SOPInstanceUID": "1.2.3.4.9"}, label=Label.NORMAL),
            written(model=model(profile())),
        )
    )
    assert plain == other
    assert plain["id"] != by_profile["id"]
    assert profile().digest in by_profile["note"][-1]["text"]


def test_the_finding_says_which_program_wrote_it() -> None:
    notes = [note["text"] for note in observation(written(), "233604007")["note"]]
    assert f"Written by pneumoscope {version('pneumoscope')}." in notes
