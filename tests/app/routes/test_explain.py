"""`POST /explain`, on both engines."""

import base64

import cv2
import httpx
import numpy as np
import pytest

from tests import synthetic


def _picture(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_json_is_the_prediction_and_a_picture_of_the_images_own_size(
    client: httpx.Client, xray: bytes
) -> None:
    body = client.post("/explain", files={"file": xray}).json()

    overlay = body.pop("overlay")
    assert body == client.post("/predict", files={"file": xray}).json()
    assert overlay["target"] == body["label"]
    assert overlay["media_type"] == "image/jpeg"
    assert (overlay["width"], overlay["height"]) == (560, 480)
    assert _picture(base64.b64decode(overlay["data"])).shape == (480, 560, 3)


def test_the_picture_is_of_the_size_that_is_set_while_the_answer_tells_the_images_own(
    client: httpx.Client,
) -> None:
    large = synthetic.encode(synthetic.chest(3, size=(1700, 2300)), ".jpeg")
    body = client.post("/explain", files={"file": large}).json()

    overlay = body.pop("overlay")
    assert body == client.post("/predict", files={"file": large}).json()
    assert (body["input"]["width"], body["input"]["height"]) == (2300, 1700)
    assert (overlay["width"], overlay["height"]) == (1024, 757)
    assert _picture(base64.b64decode(overlay["data"])).shape == (757, 1024, 3)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg"])
def test_accept_asks_for_the_picture_itself(
    client: httpx.Client, xray: bytes, media_type: str
) -> None:
    answer = client.post("/explain", files={"file": xray}, headers={"Accept": media_type})

    assert answer.headers["content-type"] == media_type
    assert _picture(answer.content).shape == (480, 560, 3)
    assert "render;dur=" in answer.headers["server-timing"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("image/*", "image/png"),
        ("text/html, image/jpeg;q=0.8, */*;q=0.1", "image/jpeg"),
    ],
)
def test_accept_is_negotiated(
    client: httpx.Client, xray: bytes, accept: str, media_type: str
) -> None:
    answer = client.post("/explain", files={"file": xray}, headers={"Accept": accept})

    assert answer.headers["content-type"] == media_type


@pytest.mark.parametrize("accept", ["text/csv", "nonsense"])
def test_what_cannot_be_answered_is_not_acceptable(
    client: httpx.Client, xray: bytes, accept: str
) -> None:
    answer = client.post("/explain", files={"file": xray}, headers={"Accept": accept})

    assert answer.status_code == httpx.codes.NOT_ACCEPTABLE
    assert answer.json()["code"] == "not_acceptable"


def test_targets_show_what_argues_for_each_label(client: httpx.Client, xray: bytes) -> None:
    pictures = {}
    for target in ("pneumonia", "normal"):
        params, files = {"target": target}, {"file": xray}
        told = client.post("/explain", params=params, files=files).json()
        assert told["overlay"]["target"] == target.upper()
        png = client.post("/explain", params=params, files=files, headers={"Accept": "image/png"})
        pictures[target] = _picture(png.content)

    gray = synthetic.chest(7, pneumonia=True)[:, :, np.newaxis]
    coloured = {name: (picture != gray).any(axis=2) for name, picture in pictures.items()}
    assert coloured["pneumonia"].any()
    assert not (coloured["pneumonia"] & coloured["normal"]).any()


def test_unknown_target_is_named(client: httpx.Client, xray: bytes) -> None:
    answer = client.post("/explain", params={"target": "heart"}, files={"file": xray})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "invalid_parameter"
    assert "heart" not in answer.text
