"""Whatever a client sends by mistake: its status, its problem, and never a 5xx."""

from collections.abc import Callable
from io import BytesIO
from typing import Any
from zlib import crc32

import httpx
import numpy as np
import pytest
from PIL import Image

from tests import synthetic

CHEST = synthetic.chest(3, size=(256, 300))
JPEG = synthetic.encode(CHEST, ".jpg")
PNG = synthetic.encode(CHEST)


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def _png_declaring(width: int, height: int) -> bytes:
    """A PNG whose header declares a size that its data does not have."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + PNG[24:29]
    return PNG[:12] + header + crc32(header).to_bytes(4) + PNG[33:]


BAD_FILES = {
    "a text file": (b"patient,age\n", 415, "unsupported_format"),
    "a PDF": (b"%PDF-1.7\n", 415, "unsupported_format"),
    "a GIF": (_saved(Image.fromarray(CHEST), "GIF"), 415, "unsupported_format"),
    "a truncated JPEG": (JPEG[: len(JPEG) // 2], 422, "unreadable_image"),
    "a truncated PNG": (PNG[: len(PNG) // 2], 422, "unreadable_image"),
    "a PNG of 60,000 x 60,000": (_png_declaring(60_000, 60_000), 422, "unreadable_image"),
    "an image of 1 x 1": (synthetic.encode(CHEST[:1, :1]), 422, "unreadable_image"),
    "an empty file": (b"", 400, "empty_file"),
}


def _assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    body = answer.json()
    assert body.keys() == {"type", "title", "status", "code", "detail"}
    assert (body["type"], body["status"], body["code"]) == ("about:blank", status, code)
    assert body["detail"].endswith(".")


@pytest.mark.parametrize("endpoint", ["/predict", "/explain"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(client: httpx.Client, endpoint: str, name: str) -> None:
    data, status, code = BAD_FILES[name]

    form = client.post(endpoint, files={"file": ("xray.png", data, "image/png")})
    raw = client.post(endpoint, content=data, headers={"Content-Type": "image/png"})

    _assert_problem(form, status, code)
    _assert_problem(raw, status, code)


Request = Callable[[httpx.Client], httpx.Response]
BAD_REQUESTS: dict[str, tuple[Request, int, str]] = {
    "no body": (lambda c: c.post("/predict"), 415, "unsupported_content_type"),
    "an empty form": (
        lambda c: c.post("/predict", headers={"Content-Type": "multipart/form-data; boundary=x"}),
        400,
        "no_file",
    ),
    "a form without a boundary": (
        lambda c: c.post("/predict", content=PNG, headers={"Content-Type": "multipart/form-data"}),
        400,
        "malformed_form",
    ),
    "a form that breaks off": (
        lambda c: c.post(
            "/predict",
            content=b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        ),
        400,
        "no_file",
    ),
    "a file of another name": (
        lambda c: c.post("/predict", files={"image": PNG}),
        400,
        "no_file",
    ),
    "text in the part": (
        lambda c: c.post("/predict", files={"file": (None, b"text")}),
        400,
        "no_file",
    ),
    "two files": (
        lambda c: c.post("/predict", files=[("file", PNG), ("file", PNG)]),
        400,
        "several_files",
    ),
    "another content type": (
        lambda c: c.post("/predict", json={"file": "xray.png"}),
        415,
        "unsupported_content_type",
    ),
    "another method": (lambda c: c.get("/predict"), 405, "method_not_allowed"),
    "another path": (lambda c: c.post("/nowhere"), 404, "not_found"),
    "too large a body": (
        lambda c: c.post("/predict", files={"file": b"\xff\xd8\xff" + bytes(3 * 2**20)}),
        413,
        "too_large",
    ),
    "too large a raw body of unknown length": (
        lambda c: c.post(
            "/predict",
            content=(bytes(2**16) for _ in range(48)),
            headers={"Content-Type": "image/png"},
        ),
        413,
        "too_large",
    ),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_request(client: httpx.Client, name: str) -> None:
    send, status, code = BAD_REQUESTS[name]

    _assert_problem(send(client), status, code)


def test_an_error_repeats_nothing_of_what_was_sent(client: httpx.Client) -> None:
    answer = client.post("/predict", files={"file": ("jane-doe.png", b"Jane Doe", "image/jane")})

    assert "jane" not in answer.text.lower()


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


RGBA = Image.merge("RGBA", [Image.fromarray(CHEST)] * 3 + [Image.new("L", (300, 256), 200)])
FRAMES = [Image.fromarray(CHEST), Image.fromarray(CHEST[::-1])]
DEEP = Image.fromarray(CHEST.astype(np.uint16) * 257)
READ = {
    "a CMYK JPEG": (_saved(Image.fromarray(CHEST).convert("RGB").convert("CMYK"), "JPEG"), []),
    "a 16-bit PNG": (_saved(DEEP, "PNG"), []),
    "a 16-bit TIFF": (_saved(DEEP, "TIFF"), []),
    "a transparent PNG": (_saved(RGBA, "PNG"), []),
    "a palette PNG": (_saved(Image.fromarray(CHEST).convert("P"), "PNG"), []),
    "an animated PNG": (
        _saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
        ["only_the_first_frame_was_read"],
    ),
    "a TIFF of two pages": (
        _saved(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]),
        ["only_the_first_frame_was_read"],
    ),
    "a small image": (synthetic.encode(CHEST[::2, ::2]), ["low_resolution"]),
}


@pytest.mark.parametrize("name", READ)
def test_unusual_image_is_read(client: httpx.Client, name: str) -> None:
    data, warnings = READ[name]

    answer = client.post("/predict", files={"file": data})

    assert answer.status_code == httpx.codes.OK
    assert set(warnings) <= set(answer.json()["warnings"])


def test_a_rotated_photograph_is_read_upright(client: httpx.Client) -> None:
    upright = client.post("/predict", files={"file": _saved(Image.fromarray(CHEST), "PNG")}).json()
    turned = Image.fromarray(np.rot90(CHEST))

    data = _saved(turned, "PNG", exif=_exif(6))
    body = client.post("/predict", files={"file": data}).json()

    assert (body["input"]["width"], body["input"]["height"]) == (300, 256)
    assert body["probability"] == upright["probability"]
