"""`POST /predict` and `POST /predict/batch`, on both engines."""

import hashlib
import re
from typing import Any

import httpx
import numpy as np
import pytest

from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from training.data import phantoms

_RANDOM = np.random.default_rng(0)
NO_CHESTS = {
    name: synthetic.encode(pixels)
    for name, pixels in {
        "a blank image": np.zeros((300, 300), np.uint8),
        "a white image": np.full((300, 300), 255, np.uint8),
        "noise": _RANDOM.integers(0, 256, (300, 300), np.uint8),
        "a checkerboard": synthetic.checkerboard(),
        "a hand": phantoms.hand(_RANDOM),
        "a knee": phantoms.knee(_RANDOM),
    }.items()
}


def test_answer_holds_all_of_the_interface(client: httpx.Client, xray: bytes) -> None:
    answer = client.post("/predict", files={"file": xray})

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {
        "label",
        "probability",
        "threshold",
        "prediction_set",
        "review",
        "reasons",
        "warnings",
        "lungs",
        "input",
        "model",
        "profile",
    }
    assert body["input"] == {
        "width": 560,
        "height": 480,
        "format": "PNG",
        "sha256": hashlib.sha256(xray).hexdigest(),
    }
    assert set(body["lungs"]) == {"found", "box", "cut_off"}
    assert body["lungs"]["found"] is True
    assert body["lungs"]["cut_off"] is False
    left, top, right, bottom = body["lungs"]["box"]
    assert (left, top) == pytest.approx((0.15, 0.15), abs=0.05)
    assert (right, bottom) == pytest.approx((0.87, 0.71), abs=0.05)
    assert body["model"]["name"] == "pneumonia"
    assert body["model"]["version"] == 1
    assert body["model"]["digest"] == client.get("/metrics").text.split('digest="')[1][:64]
    assert body["profile"] is None
    assert body["model"]["engine"] in ("openvino", "tensorflow")


@pytest.mark.parametrize("pneumonia", [False, True])
def test_label_is_what_the_threshold_makes_of_the_probability(
    client: httpx.Client, pneumonia: bool
) -> None:
    image = synthetic.encode(synthetic.chest(11, pneumonia=pneumonia))

    body = client.post("/predict", files={"file": image}).json()

    assert body["label"] == ("PNEUMONIA" if pneumonia else "NORMAL")
    assert (body["probability"] >= body["threshold"]) is pneumonia
    assert body["label"] in body["prediction_set"]


def test_raw_body_gives_the_answer_of_the_form(client: httpx.Client, xray: bytes) -> None:
    form = client.post("/predict", files={"file": ("a.png", xray, "image/png")})
    raw = client.post("/predict", content=xray, headers={"Content-Type": "image/png"})
    octets = client.post(
        "/predict", content=xray, headers={"Content-Type": "application/octet-stream"}
    )

    assert raw.json() == form.json() == octets.json()


def test_content_and_not_the_name_tells_the_type(client: httpx.Client) -> None:
    jpeg = synthetic.encode(synthetic.chest(), ".jpg")

    body = client.post("/predict", files={"file": ("x.png", jpeg, "image/png")}).json()

    assert body["input"]["format"] == "JPEG"


def test_every_answer_has_an_id_of_its_own_and_its_stage_times(
    client: httpx.Client, xray: bytes
) -> None:
    answers = [client.post("/predict", files={"file": xray}) for _ in range(2)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    timing = r"decode;dur=[\d.]+, queue;dur=[\d.]+, infer;dur=[\d.]+"
    assert re.fullmatch(timing, answers[0].headers["server-timing"])


@pytest.mark.parametrize("pneumonia", [False, True])
def test_a_clear_image_needs_no_person(client: httpx.Client, pneumonia: bool) -> None:
    image = synthetic.encode(synthetic.chest(2, pneumonia=pneumonia))

    body = client.post("/predict", files={"file": image}).json()

    assert body["prediction_set"] == [body["label"]]
    assert (body["review"], body["reasons"], body["warnings"]) == (False, [], [])


@pytest.mark.parametrize("pneumonia", [False, True])
def test_an_image_unlike_the_training_images_gets_no_label(
    client: httpx.Client, pneumonia: bool
) -> None:
    image = synthetic.encode(synthetic.strange(7, pneumonia=pneumonia))

    body = client.post("/predict", files={"file": image}).json()

    assert body["lungs"]["found"]
    assert body["label"] == "INDETERMINATE"
    assert (body["probability"] >= body["threshold"]) is pneumonia
    assert body["prediction_set"] == ["NORMAL", "PNEUMONIA"]
    assert body["warnings"] == ["not_like_a_chest_xray"]
    assert body["review"] is True
    assert body["reasons"] == ["both_labels_possible", "not_like_a_chest_xray"]


@pytest.mark.parametrize("image", NO_CHESTS.values(), ids=NO_CHESTS.keys())
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_an_image_without_lungs_is_refused(client: httpx.Client, path: str, image: bytes) -> None:
    answer = client.post(path, files={"file": image})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_a_chest_xray"
    assert answer.json()["detail"].startswith("No lungs were found in the image")


def test_batch_tells_the_image_without_lungs(client: httpx.Client, xray: bytes) -> None:
    files = [("file", part) for part in (xray, NO_CHESTS["a hand"])]

    first, second = client.post("/predict/batch", files=files).json()["items"]

    assert first["prediction"]["label"] == "PNEUMONIA"
    assert second["prediction"] is None
    assert second["problem"]["code"] == "not_a_chest_xray"


def test_batch_answers_in_order_with_a_problem_for_each_bad_file(
    client: httpx.Client, xray: bytes
) -> None:
    normal = synthetic.encode(synthetic.chest(11))
    files = [("file", part) for part in (xray, b"not an image", normal)]

    answer = client.post("/predict/batch", files=files)

    assert answer.status_code == httpx.codes.OK
    first, second, third = answer.json()["items"]
    assert first["prediction"] == client.post("/predict", files={"file": xray}).json()
    assert first["problem"] is None
    assert second["prediction"] is None
    assert second["problem"]["status"] == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert third["prediction"]["label"] == "NORMAL"


def test_batch_of_an_empty_file_names_that(client: httpx.Client) -> None:
    items = client.post("/predict/batch", files=[("file", b"")]).json()["items"]

    assert [item["problem"]["code"] for item in items] == ["empty_file"]


def test_batch_of_too_many_files_is_refused(client: httpx.Client, xray: bytes) -> None:
    answer = client.post("/predict/batch", files=[("file", xray)] * 4)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["code"] == "too_many_files"


def test_dicom_gives_the_answer_of_the_same_pixels(client: httpx.Client) -> None:
    pixels = synthetic.chest(7, pneumonia=True)
    png = client.post("/predict", files={"file": synthetic.encode(pixels)}).json()
    data = dicom(pixels, BodyPartExamined="CHEST", ViewPosition="PA")

    form = client.post("/predict", files={"file": ("1.dcm", data)})
    raw = client.post("/predict", content=data, headers={"Content-Type": "application/dicom"})
    batch = client.post("/predict/batch", files=[("file", data), ("file", data)])
    explained = client.post("/explain", files={"file": data})

    body = form.json()
    assert body["probability"] == png["probability"]
    assert body["input"]["format"] == "DICOM"
    assert raw.json() == body
    assert [item["prediction"] for item in batch.json()["items"]] == [body] * 2
    assert explained.json()["overlay"]["width"] == pixels.shape[1]
    assert not {"lateral_view", "not_a_chest"} & set(body["warnings"])


def test_what_a_dicom_file_says_of_itself_is_warned_of(client: httpx.Client) -> None:
    data = dicom(synthetic.chest(7), BodyPartExamined="HAND", ViewPosition="LL")

    body = client.post("/predict", files={"file": data}).json()

    assert {"lateral_view", "not_a_chest"} <= set(body["warnings"]) & set(body["reasons"])
    assert body["review"] is True


def test_a_dicom_file_that_is_no_radiograph_is_a_problem(client: httpx.Client) -> None:
    data = dicom(synthetic.chest(7), Modality="CT", PatientName="Doe^Jane")

    answer = client.post("/predict", files={"file": data})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "unreadable_image"
    assert "Doe" not in answer.text


@pytest.mark.parametrize("shortage", [MemoryError, ImportError])
def test_a_shortage_is_no_fault_of_the_image(
    client: httpx.Client, xray: bytes, monkeypatch: pytest.MonkeyPatch, shortage: type[Exception]
) -> None:
    def fail(*_: Any) -> None:
        raise shortage("Planted")

    monkeypatch.setattr("app.reading.reader.decode", fail)
    for path in ("/predict", "/explain", "/predict/batch"):
        answer = client.post(path, files={"file": xray})
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert answer.json()["code"] == "short_of_resources"
        assert int(answer.headers["Retry-After"]) > 0
        assert "Planted" not in answer.text
