"""What a worklist is told, and of which readings."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.codes import Label, WarningCode
from app.dicom_results.source import read_source
from app.pacs.notice import is_urgent, notice
from tests.app.dicom_results import given

MADE = datetime(2026, 3, 1, 10, 30, 5, 999, UTC)
NORMAL = {"label": Label.NORMAL, "finding": Label.NORMAL, "prediction_set": [Label.NORMAL]}


def _told(source: bytes, **changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(notice(read_source(source), given.reading(**changes), MADE))
    return told


def test_it_says_what_was_found_in_which_image() -> None:
    model = given.model()
    told = _told(given.source_file(), model=model, warnings=[WarningCode.LUNGS_CUT_OFF])

    assert told == {
        "id": told["id"],
        "type": "reading.urgent",
        "timestamp": "2026-03-01T10:30:05+00:00",
        "data": {
            "accession_number": "A1",
            "study": given.STUDY,
            "series": given.SERIES,
            "image": given.IMAGE,
            "label": "PNEUMONIA",
            "probability": 0.876543,
            "prediction_set": ["PNEUMONIA"],
            "review": True,
            "reasons": ["lungs_cut_off"],
            "model": {
                "name": model.manifest.name,
                "version": model.manifest.version,
                "digest": model.digest,
            },
        },
    }


def test_its_id_is_that_of_the_image_and_the_model() -> None:
    same, other = given.source_file(), given.source_file(SOPInstanceUID="1.2.9")

    assert _told(same)["id"] == _told(same, probability=0.9)["id"] != _told(other)["id"]


def test_it_holds_nothing_else_of_the_patient() -> None:
    text = json.dumps(_told(given.source_file()), ensure_ascii=False)

    assert not [value for value in ("4711", "ller", "1960", "Hospital", "Wei") if value in text]


def test_without_an_order_the_number_is_empty() -> None:
    assert _told(given.source_file(**given.BARE))["data"]["accession_number"] == ""


@pytest.mark.parametrize(
    ("changes", "urgent"),
    [
        ({}, True),
        (NORMAL, False),
        (NORMAL | {"prediction_set": [Label.NORMAL, Label.PNEUMONIA]}, True),
        (NORMAL | {"warnings": [WarningCode.LUNGS_CUT_OFF]}, True),
        ({"label": Label.INDETERMINATE, "warnings": [WarningCode.NOT_LIKE_A_CHEST_XRAY]}, True),
    ],
)
def test_pneumonia_is_urgent_and_so_is_a_review(changes: dict[str, Any], urgent: bool) -> None:
    assert is_urgent(given.reading(**changes)) == urgent
