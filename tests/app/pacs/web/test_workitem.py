"""Which workitems are taken, what their inputs are, and what they are told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage, DigitalXRayImageStorageForPresentation

from app.pacs.web.workitem import Assignment, ended, inputs, reasons, said, urgency
from tests.app.pacs.ups_stub import code

OURS, THEIRS = Assignment("AI"), Assignment("AI", "CXR")


def listed(**attributes: Any) -> Dataset:
    item = Dataset()
    item.SOPInstanceUID = "1.2.3"
    item.InputReadinessState = "READY"
    item.ScheduledStationNameCodeSequence = [code("AI")]
    item.ScheduledWorkitemCodeSequence = [code("CXR")]
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _person(organization: str = "") -> Dataset:
    person = Dataset()
    person.HumanPerformerCodeSequence = [code("42")]
    person.HumanPerformerOrganization = organization
    return person


@pytest.mark.parametrize(
    ("attributes", "by_station", "by_code"),
    [
        ({}, True, True),
        ({"ScheduledStationNameCodeSequence": [code("CT"), code("AI")]}, True, True),
        ({"ScheduledStationNameCodeSequence": [code("CT")]}, False, False),
        ({"ScheduledStationNameCodeSequence": []}, False, True),
        ({"ScheduledWorkitemCodeSequence": [code("MG")]}, True, False),
        ({"ScheduledWorkitemCodeSequence": []}, True, False),
        (
            {
                "ScheduledStationNameCodeSequence": [],
                "ScheduledStationClassCodeSequence": [code("WORKSTATION")],
            },
            False,
            False,
        ),
        (
            {
                "ScheduledStationNameCodeSequence": [],
                "ScheduledStationGeographicLocationCodeSequence": [code("WARD 3")],
            },
            False,
            False,
        ),
        ({"ScheduledStationClassCodeSequence": [code("AI SERVER")]}, True, True),
        ({"ScheduledHumanPerformersSequence": [_person("Radiology")]}, False, False),
        ({"ScheduledHumanPerformersSequence": []}, True, True),
        ({"InputReadinessState": "INCOMPLETE"}, False, False),
        ({"InputReadinessState": "UNAVAILABLE"}, False, False),
        ({"SOPInstanceUID": "../1.2"}, False, False),
        ({"SOPInstanceUID": None}, False, False),
    ],
)
def test_what_is_for_others_is_left(
    attributes: dict[str, Any], by_station: bool, by_code: bool
) -> None:
    item = listed(**attributes)

    assert (OURS.takes(item), THEIRS.takes(item)) == (by_station, by_code)


def test_a_manager_that_tells_nothing_offers_nothing() -> None:
    assert not OURS.takes(Dataset())
    assert not THEIRS.takes(Dataset())


def test_a_search_asks_for_no_more_than_it_must() -> None:
    assert OURS.matching == {"ScheduledStationNameCodeSequence.CodeValue": "AI"}
    assert THEIRS.matching == {"ScheduledWorkitemCodeSequence.CodeValue": "CXR"}


def test_the_most_urgent_comes_first() -> None:
    items = [
        listed(ScheduledProcedureStepPriority=priority, ScheduledProcedureStepStartDateTime=start)
        for priority, start in [
            ("LOW", "20260101"),
            (None, "20250101"),
            ("HIGH", "20260103"),
            ("HIGH", "20260102"),
        ]
    ]

    assert sorted(items, key=urgency) == [items[3], items[2], items[0], items[1]]


def _input(study: str, series: str | None, *named: tuple[UID, str]) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = study
    if series:
        item.SeriesInstanceUID = series
    references = []
    for sop_class, instance in named:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = sop_class, instance
        references.append(one)
    item.ReferencedSOPSequence = references
    return item


def _images_of(study: str) -> list[Dataset]:
    """Those of a study with two series."""
    images = []
    for series, instance in [("2.1", "3.1"), ("2.1", "3.2"), ("2.2", "3.3")]:
        image = Dataset()
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.SOPInstanceUID = instance
        images.append(image)
    return images


DX = DigitalXRayImageStorageForPresentation


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([_input("1", "2.1", (DX, "9.9"))], ["9.9"]),
        ([_input("1", "2.1", (DX, "3.1"), (CTImageStorage, "3.2"))], ["3.1"]),
        ([_input("1", "2.1", (DX, "3.1")), _input("1", "2.1", (DX, "3.1"))], ["3.1"]),
        ([_input("1", "2.1")], ["3.1", "3.2"]),
        ([_input("1", None)], ["3.1", "3.2", "3.3"]),
        ([_input("1", None, (DX, "3.3"))], ["3.3"]),
        ([], []),
    ],
)
def test_inputs_are_images_a_series_or_a_study(given: list[Dataset], found: list[str]) -> None:
    item = listed(InputInformationSequence=given)

    images = inputs(item, _images_of)

    assert [image.SOPInstanceUID for image in images] == found
    assert {image.StudyInstanceUID for image in images} <= {"1"}


def test_inputs_that_are_no_dicom_are_passed_over() -> None:
    document = _input("1", None)
    document.TypeOfInstances = "CDA"

    assert inputs(listed(InputInformationSequence=[document]), _images_of) == []


@pytest.mark.parametrize(
    "given",
    [
        _input("1/../..", None),
        _input("1", "2.1?", (DX, "3.1")),
        _input("1", "2.1", (DX, "3.1/metadata")),
        Dataset(),
    ],
)
def test_an_input_without_valid_uids(given: Dataset) -> None:
    with pytest.raises(ValueError, match=r"^An input has no valid UID\.$"):
        inputs(listed(InputInformationSequence=[given]), _images_of)


def test_what_should_be_a_sequence_and_is_none() -> None:
    text = "x"
    item = Dataset()
    item.SOPInstanceUID = "1.2.3"
    item.InputReadinessState = "READY"
    for keyword in ("ScheduledStationNameCodeSequence", "InputInformationSequence"):
        item.add_new(keyword, "LO", text)

    assert not OURS.takes(item)
    assert inputs(item, _images_of) == []


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ({"stored"}, []),
        ({"stored", "not_for_the_model"}, []),
        ({"not_for_the_model"}, ["not_for_the_model"]),
        (set(), ["not_for_the_model"]),
        ({"stored", "missing"}, ["missing"]),
        ({"bad", "missing", "not_for_the_model"}, ["missing", "bad"]),
        ({"stored", "refused"}, ["refused"]),
    ],
)
def test_a_workitem_is_completed_where_all_is_read_that_can_be(
    kinds: set[str], why: list[str]
) -> None:
    assert reasons(kinds) == why


def result(series: str, instance: str) -> Dataset:
    stored = Dataset()
    stored.StudyInstanceUID, stored.SeriesInstanceUID = "1", series
    stored.SOPClassUID, stored.SOPInstanceUID = "1.2.840", instance
    return stored


def told(item: Dataset, why: list[str], *results: Dataset) -> Dataset:
    started = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return ended(item, "AI", started, results, "http://pacs/rs", why)


def test_what_was_done_is_told_in_the_words_of_the_workitem() -> None:
    item = listed(ScheduledStationNameCodeSequence=[code("CT"), code("AI", "99SITE")])

    changes = told(item, [], result("5.1", "6.1"), result("5.1", "6.2"), result("5.2", "6.3"))

    [performed] = changes.UnifiedProcedureStepPerformedProcedureSequence
    assert performed.PerformedStationNameCodeSequence == Sequence([code("AI", "99SITE")])
    assert performed.PerformedWorkitemCodeSequence == item.ScheduledWorkitemCodeSequence
    assert performed.PerformedProcedureStepStartDateTime == "20260301120000+0000"
    assert performed.PerformedProcedureStepEndDateTime >= "20260301120000+0000"
    first, second = performed.OutputInformationSequence
    named = [one.ReferencedSOPInstanceUID for one in first.ReferencedSOPSequence]
    assert (first.SeriesInstanceUID, named) == ("5.1", ["6.1", "6.2"])
    [place] = second.WADORSRetrievalSequence
    assert place.RetrieveURL == "http://pacs/rs/studies/1/series/5.2"
    [progress] = changes.ProcedureStepProgressInformationSequence
    assert [(one.keyword, one.value) for one in progress] == [("ProcedureStepProgress", 100)]


def test_an_offer_is_performed_by_the_station_that_took_it() -> None:
    changes = told(Dataset(), [])

    [performed] = changes.UnifiedProcedureStepPerformedProcedureSequence
    [station] = performed.PerformedStationNameCodeSequence
    [workitem] = performed.PerformedWorkitemCodeSequence
    assert (station.CodeValue, station.CodingSchemeDesignator) == ("AI", "99PNEUMOSCOPE")
    assert (workitem.CodeValue, workitem.CodeMeaning) == ("110004", "Computer Aided Detection")
    assert len(performed.OutputInformationSequence) == 0


def test_why_nothing_was_done_is_told_in_codes_and_in_a_sentence() -> None:
    why = ["missing", "bad"]

    [progress] = told(listed(), why).ProcedureStepProgressInformationSequence

    codes = [one.CodeValue for one in progress.ProcedureStepDiscontinuationReasonCodeSequence]
    assert codes == ["110523", "110521"]
    assert progress.ReasonForCancellation == said(why)
    assert said(why) == "An input is not in the archive. An input cannot be read."
    assert progress.ProcedureStepCancellationDateTime
