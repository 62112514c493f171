"""The shipped model, asked about what comes with `pydicom-data`: a chest, a leg, other devices."""

from collections.abc import Iterator
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.imaging.dicom.dicoms import shipped

# A chest from the front, with large masses: as it came, and in JPEG 2000, without loss and with.
CHEST = ("RG1_UNCI.dcm", "RG1_J2KR.dcm", "RG1_J2KI.dcm")
# CT, MR, nuclear medicine, ultrasound, segments of a liver, a test pattern; and the shin.
OTHERS = (
    "693_UNCI.dcm",
    "bad_sequence.dcm",
    "eCT_Supplemental.dcm",
    "explicit_VR-UN.dcm",
    "MR2_UNCI.dcm",
    "MR-SIEMENS-DICOM-WithOverlays.dcm",
    "JPEG2000_UNC.dcm",
    "US1_UNCI.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "liver.dcm",
    "mlut_18.dcm",
    "RG3_UNCI.dcm",
)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with serving(create_app(Settings())) as client:
        wait_until_ready(client)
        yield client


def _ask(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/predict", files={"file": content})


def _png(content: bytes) -> bytes:
    """The first frame of an object, without anything that tells what it shows."""
    dataset = dcmread(BytesIO(content))
    pixels = dataset.pixel_array
    frame = pixels[0] if int(dataset.get("NumberOfFrames", 1)) > 1 else pixels
    levels = (frame - frame.min()) / np.ptp(frame)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        levels = 1 - levels
    buffer = BytesIO()
    Image.fromarray((255 * levels).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_real_chest_is_read_alike_in_every_encoding(client: httpx.Client) -> None:
    contents = [shipped(name) for name in CHEST]
    answers = [_ask(client, content).json() for content in [*contents, _png(contents[0])]]

    assert [answer["warnings"] for answer in answers] == [[]] * len(answers)
    # A mass is no pneumonia, but no healthy lung either; docs/model.md warns of it.
    assert {answer["label"] for answer in answers} == {"PNEUMONIA"}
    probabilities = [answer["probability"] for answer in answers]
    assert max(probabilities) - min(probabilities) <= 0.03


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_gets_a_label(client: httpx.Client, name: str) -> None:
    """Neither as the object that it is, nor as a picture without a header."""
    content = shipped(name)
    told = _ask(client, content)
    shown = _ask(client, _png(content))

    assert told.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert (shown.status_code, shown.json()["code"]) == (
        httpx.codes.UNPROCESSABLE_ENTITY,
        "not_a_chest_xray",
    )
