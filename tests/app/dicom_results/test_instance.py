from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import partial

import pytest

from app.dicom_results.instance import device_uid, is_own_series, place
from app.dicom_results.kinds import EVIDENCE, KINDS, LUNGS, OVERLAY, REPORT
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from tests.app.dicom_results.given import BARE, model, overlay, parse, reading, source_file
from tests.app.reading.profiles import profile
from tests.model_store.made import manifest

SOURCE = read_source(source_file())
WRITERS: dict[str, Callable[..., bytes]] = {
    EVIDENCE: evidence_segmentation,
    LUNGS: lungs_segmentation,
    OVERLAY: partial(secondary_capture, picture=overlay(), target="pneumonia"),
    REPORT: structured_report,
}


def test_the_same_image_and_model_have_the_same_place() -> None:
    again = read_source(source_file(PatientID="corrected"))
    assert place(SOURCE, model(), "report", 1) == place(again, model(), "report", 1)


def test_images_of_a_study_share_the_series_of_a_kind_and_a_model() -> None:
    other = read_source(source_file(SOPInstanceUID="1.9", SeriesInstanceUID="1.8"))
    first, second = (place(source, model(), "report", 1) for source in (SOURCE, other))

    assert first["series_instance_uid"] == second["series_instance_uid"]
    assert first["sop_instance_uid"] != second["sop_instance_uid"]
    assert first["instance_number"] != second["instance_number"]


def test_another_kind_model_or_study_has_a_series_of_its_own() -> None:
    other_study = read_source(source_file(StudyInstanceUID="1.7"))
    placed = [
        place(SOURCE, model(), "report", 1),
        place(SOURCE, model(), "overlay", 1),
        place(SOURCE, model(version=2), "report", 1),
        place(SOURCE, model(name="other"), "report", 1),
        place(other_study, model(), "report", 1),
    ]

    for uid in ("series_instance_uid", "sop_instance_uid"):
        assert len({arguments[uid] for arguments in placed}) == len(placed)


def test_what_tells_instances_apart_leaves_them_in_one_series() -> None:
    first, second = (place(SOURCE, model(), "overlay", 1, part) for part in "ab")

    assert first["series_instance_uid"] == second["series_instance_uid"]
    assert first["sop_instance_uid"] != second["sop_instance_uid"]


@pytest.mark.parametrize("name", ["pneumonia", "x" * 80])
def test_the_description_starts_with_its_use_and_fits(name: str) -> None:
    description = place(SOURCE, model(name=name), "report", 1)["series_description"]

    assert description.startswith("For research use: pneumoscope report, ")
    assert len(description) <= 64


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), (date(2026, 3, 1), time(10, 20, 30, 500_000))),
        (datetime(2026, 4, 2, 3, tzinfo=UTC), (date(2026, 4, 2), time(3))),
    ],
)
def test_content_is_no_older_than_the_image_and_the_model(
    created: datetime, expected: tuple[date, time]
) -> None:
    placed = place(SOURCE, model(created=created), "report", 1)
    assert (placed["content_date"], placed["content_time"]) == expected


def test_content_is_no_older_than_the_site_profile() -> None:
    later = profile(created=datetime(2026, 5, 1, 6, tzinfo=UTC))
    placed = place(SOURCE, model(later), "report", 1)
    assert (placed["content_date"], placed["content_time"]) == (date(2026, 5, 1), time(6))


def test_content_of_an_undated_image_is_as_old_as_the_model() -> None:
    placed = place(read_source(source_file(**BARE)), model(), "report", 1)
    assert placed["content_date"] == date(2026, 1, 1)


def test_each_model_version_and_each_site_profile_is_a_device_of_its_own() -> None:
    devices = [
        model(),
        model(version=2),
        model(name="other"),
        model(profile()),
        model(profile(prevalence=0.2)),
    ]
    assert len({device_uid(one) for one in devices}) == len(devices)
    assert device_uid(model()) == device_uid(model())
    # From now on: another one would be another device to whoever counts its results.
    assert device_uid(model()) == "2.25.63145149420313482829306332824961799693"


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_names_the_model_as_what_processed_the_image(kind: str) -> None:
    """IHE AI Results, 6.5.3.1, and nothing else as such."""
    read = reading(model=model(profile()))
    [equipment] = parse(WRITERS[kind](SOURCE, read)).ContributingEquipmentSequence
    [purpose] = equipment.PurposeOfReferenceCodeSequence

    assert (purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning) == (
        "109102",
        "DCM",
        "Processing Equipment",
    )
    assert (equipment.Manufacturer, equipment.ManufacturerModelName) == (
        "pneumoscope",
        "pneumonia",
    )
    assert (equipment.SoftwareVersions, equipment.DeviceSerialNumber) == ("1", read.model.digest)
    assert equipment.DeviceUID == device_uid(read.model)


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_of_results_is_known_by_its_uid(kind: str) -> None:
    series = place(SOURCE, model(), kind, 1)["series_instance_uid"]

    assert is_own_series(SOURCE.StudyInstanceUID, series, manifest())
    assert is_own_series(SOURCE.StudyInstanceUID, series, manifest(version=7))
    later = place(SOURCE, model(version=7), kind, 1)["series_instance_uid"]
    assert is_own_series(SOURCE.StudyInstanceUID, later, manifest())
    assert not is_own_series("1.2.9", series, manifest())
    assert not is_own_series(SOURCE.StudyInstanceUID, series, manifest(name="other"))
    assert not is_own_series(SOURCE.StudyInstanceUID, SOURCE.SeriesInstanceUID, manifest())
    assert not is_own_series(SOURCE.StudyInstanceUID, None, manifest())
