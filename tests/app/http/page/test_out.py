"""What is taken along: JSON, PNG, DICOM and paper."""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests import synthetic
from tests.app.http.page.room import Room, deep

IDENTITY: dict[str, Any] = {
    "StudyInstanceUID": generate_uid(),
    "SeriesInstanceUID": generate_uid(),
    "PatientID": "1",
    "PatientName": "Drawn^Chest",
}


@pytest.fixture
def reading(room: Room) -> Room:
    """A room in which a DICOM image was read."""
    room.drop({"x.dcm": deep(**IDENTITY)})
    return room


def saved(room: Room, key: str) -> tuple[str, bytes]:
    """The name and the bytes of the file that a key saves."""
    with room.page.expect_download() as download:
        room.page.keyboard.press(key)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_the_answer_as_json(reading: Room) -> None:
    name, data = saved(reading, "e")

    assert name == "x.answer.json"
    answer = json.loads(data)
    sha256 = answer["input"]["sha256"]
    assert 0 <= answer.pop("evidence_in_lungs") <= 1
    assert answer["label"] == "PNEUMONIA"
    assert sha256 in reading.answer
    assert set(answer) == set(reading.client.post("/predict", content=deep()).json())


def test_the_overlay_as_png(reading: Room) -> None:
    name, data = saved(reading, "g")

    assert name == "x.overlay.png"
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (480, 560, 3)


def test_the_results_in_dicom(reading: Room) -> None:
    for key, kind, modality in (("r", "report", "SR"), ("v", "overlay", "OT")):
        name, data = saved(reading, key)

        assert name == f"x.{kind}.dcm"
        dataset = dcmread(BytesIO(data))
        assert dataset.Modality == modality
        assert dataset.StudyInstanceUID == IDENTITY["StudyInstanceUID"]


def test_what_the_image_lacks_is_told(room: Room) -> None:
    room.drop({"x.dcm": deep()})
    room.press("r")

    room.page.get_by_text("The image lacks an identifier").wait_for()


def test_an_image_that_is_not_dicom_has_no_results_in_dicom(room: Room) -> None:
    room.drop({"x.png": synthetic.encode(synthetic.chest(7, pneumonia=True))})
    room.press("r", "v")

    assert "DICOM" not in room.answer
    assert room.page.locator("#saved").inner_text() == ""


def test_the_report_is_one_page(reading: Room) -> None:
    for paper in ("A4", "Letter"):
        printed = reading.page.pdf(format=paper)

        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
        # Both pictures.
        assert printed.count(b"/Subtype /Image") >= 2
    text = reading.page.locator("#report").evaluate("({ textContent }) => textContent")
    for words in ("For research use only.", "x.dcm", "PNEUMONIA", "Threshold", "SHA-256", "Level"):
        assert words in text
    drawn = reading.page.locator("#report canvas").evaluate_all(
        "(all) => all.map((one) => [one.width, one.height, one.toDataURL().length])"
    )
    assert [size[:2] for size in drawn] == [[1000, 857], [1000, 857]]
    assert drawn[0][2] != drawn[1][2]


def test_nothing_is_printed_of_what_was_not_read(room: Room) -> None:
    room.drop({"x.dcm": deep()})
    room.drop({"board.png": synthetic.encode(synthetic.checkerboard())})
    room.page.pdf()

    assert not room.page.locator("#report > *").count()
