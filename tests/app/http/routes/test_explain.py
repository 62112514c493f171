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

    overlay, _ = body.pop("overlay"), body.pop("evidence_in_lungs")
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

    overlay, _ = body.pop("overlay"), body.pop("evidence_in_lungs")
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
    both = (coloured["pneumonia"] & coloured["normal"]).astype(np.uint8)
    # The outline of the lungs is in both, and nothing that is wider.
    assert both.any()
    assert not cv2.erode(both, np.ones((5, 5))).any()
    for picture in coloured.values():
        assert (picture.astype(np.uint8) - both).any()


def _outlined(picture: np.ndarray) -> np.ndarray:
    """Which pixels have the colour of the outline, which inferno does not have."""
    blue, green, red = (picture[..., channel].astype(int) for channel in range(3))
    return (blue > red + 100) & (green > red + 80)


def test_the_lungs_are_outlined_on_the_whole_image(client: httpx.Client, xray: bytes) -> None:
    headers, files = {"Accept": "image/png"}, {"file": xray}
    picture = _picture(client.post("/explain", files=files, headers=headers).content)
    left, top, right, bottom = client.post("/predict", files=files).json()["lungs"]["box"]

    rows, columns = np.nonzero(_outlined(picture))

    height, width, _ = picture.shape
    assert (columns.min() / width, columns.max() / width) == pytest.approx((left, right), abs=0.02)
    assert (rows.min() / height, rows.max() / height) == pytest.approx((top, bottom), abs=0.02)
    assert len(rows) < 0.02 * width * height


def test_it_tells_how_much_of_the_evidence_is_in_the_lungs(
    client: httpx.Client, xray: bytes
) -> None:
    shares = {
        target: client.post("/explain", params={"target": target}, files={"file": xray}).json()[
            "evidence_in_lungs"
        ]
        for target in ("predicted", "pneumonia", "normal")
    }

    assert shares["predicted"] == shares["pneumonia"] != shares["normal"]
    assert all(0 < share <= 1 for share in shares.values())


def test_maps_come_where_they_are_asked_for(client: httpx.Client, xray: bytes) -> None:
    files = {"file": xray}
    plain = client.post("/explain", files=files).json()
    body = client.post("/explain", params={"maps": True}, files=files).json()

    maps = body.pop("maps")
    assert body == plain
    cam, lungs = np.array(maps["cam"]), np.array(maps["lungs"])
    assert cam.shape == lungs.shape == (112, 112)
    assert cam.min() < 0 < cam.max()
    assert 0 <= lungs.min() < 0.1
    assert 0.9 < lungs.max() <= 1
    left, top, right, bottom = body["lungs"]["box"]
    rows, columns = np.nonzero(lungs >= 0.5)
    assert (columns.min() / 112, rows.min() / 112) == pytest.approx((left, top), abs=1e-4)
    assert ((columns.max() + 1) / 112, (rows.max() + 1) / 112) == pytest.approx(
        (right, bottom), abs=1e-4
    )
    beyond = cam[:, : int(112 * (left - 0.1))]
    assert beyond.size
    assert not beyond.any()


def test_maps_do_not_change_the_picture(client: httpx.Client, xray: bytes) -> None:
    headers, files = {"Accept": "image/png"}, {"file": xray}
    pictures = [
        client.post("/explain", params={"maps": maps}, files=files, headers=headers).content
        for maps in (True, False)
    ]

    assert pictures[0] == pictures[1]


def test_maps_that_are_neither_asked_for_nor_not(client: httpx.Client, xray: bytes) -> None:
    answer = client.post("/explain", params={"maps": "lungs"}, files={"file": xray})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "invalid_parameter"


def test_unknown_target_is_named(client: httpx.Client, xray: bytes) -> None:
    answer = client.post("/explain", params={"target": "heart"}, files={"file": xray})

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "invalid_parameter"
    assert "heart" not in answer.text
