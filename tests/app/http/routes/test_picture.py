"""`POST /picture`: the image with all of its gray values."""

import cv2
import httpx
import numpy as np
import pytest

from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.imaging.dicom.test_grayscale import DEEP, TWELVE_BITS, WINDOW

RAW = {"Accept": "application/octet-stream"}


@pytest.fixture(scope="module")
def radiograph() -> bytes:
    return dicom(DEEP, **TWELVE_BITS, **WINDOW)


def _number(answer: httpx.Response, name: str) -> float:
    return float(answer.headers[name])


def test_raw_pixels_are_in_the_images_units(client: httpx.Client, radiograph: bytes) -> None:
    answer = client.post("/picture", content=radiograph, headers=RAW)

    assert answer.headers["content-type"] == "application/octet-stream"
    width, height = (_number(answer, f"X-Picture-{side}") for side in ("Width", "Height"))
    pixels = np.frombuffer(answer.content, "<u2").reshape(int(height), int(width))
    slope, intercept = (_number(answer, f"X-Rescale-{name}") for name in ("Slope", "Intercept"))
    np.testing.assert_allclose(pixels * slope + intercept, DEEP, atol=0.05)
    # From black at 1000 to white at 1999, as PS3.3 C.11.2.1.2.1 has it.
    assert _number(answer, "X-Window-Center") == 1499.5
    assert _number(answer, "X-Window-Width") == 999
    assert "decode;dur=" in answer.headers["server-timing"]


def test_a_png_of_16_bits_has_the_same_pixels(client: httpx.Client, radiograph: bytes) -> None:
    raw = client.post("/picture", content=radiograph, headers=RAW)
    png = client.post("/picture", files={"file": radiograph})

    assert png.headers["content-type"] == "image/png"
    pixels = cv2.imdecode(np.frombuffer(png.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels.ravel(), np.frombuffer(raw.content, "<u2"))
    for name in ("X-Window-Center", "X-Rescale-Slope", "X-Picture-Width"):
        assert png.headers[name] == raw.headers[name]


def test_it_is_reduced_to_the_side_that_is_asked_for(client: httpx.Client, xray: bytes) -> None:
    answer = client.post("/picture", params={"max_side": 140}, content=xray, headers=RAW)

    assert (answer.headers["X-Picture-Width"], answer.headers["X-Picture-Height"]) == ("140", "120")
    assert len(answer.content) == 2 * 140 * 120


@pytest.mark.parametrize("side", ["0", "63", "2049", "large"])
def test_a_side_beyond_the_bounds(client: httpx.Client, xray: bytes, side: str) -> None:
    answer = client.post("/picture", params={"max_side": side}, content=xray)

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "invalid_parameter"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hello", "unsupported_format"),
        (synthetic.encode(synthetic.chest())[:5000], "unreadable_image"),
        (b"", "empty_file"),
    ],
)
def test_what_is_no_image(client: httpx.Client, content: bytes, code: str) -> None:
    headers = {"Content-Type": "image/png"}

    assert client.post("/picture", content=content, headers=headers).json()["code"] == code


def test_what_shows_no_lungs_has_a_picture(client: httpx.Client) -> None:
    board = synthetic.encode(synthetic.checkerboard())

    assert client.post("/predict", content=board).json()["code"] == "not_a_chest_xray"
    assert client.post("/picture", content=board).status_code == httpx.codes.OK


def test_it_has_no_answer_in_dicom(client: httpx.Client, radiograph: bytes) -> None:
    answer = client.post("/picture", content=radiograph, headers={"Accept": "application/dicom"})

    assert answer.status_code == httpx.codes.NOT_ACCEPTABLE
    assert "DICOM" not in answer.json()["detail"]


def test_its_headers_are_documented(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/picture"]["post"]["responses"]["200"]

    assert set(described["content"]) == {"image/png", "application/octet-stream"}
    assert len(described["headers"]) == 6
    answer = client.post("/picture", content=synthetic.encode(synthetic.chest()))
    assert all(name in answer.headers for name in described["headers"])
