"""What the record holds of what was asked over HTTP."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.audit import chain
from app.audit.verify import verify
from app.http import tokens
from app.http.protocol import refusing
from app.main import create_app
from app.settings import Settings
from tests import synthetic
from tests.app.conftest import serving, wait_until_ready
from tests.app.full_disk import full_disk
from tests.app.imaging.dicom.dicoms import dicom

NAME = "Doe^Jane"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("record")


@pytest.fixture(scope="module")
def recording(settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    token, line = tokens.new("ward")
    (folder / "tokens").write_text(line)
    changes = {"audit": folder / "audit", "tokens": folder / "tokens"}
    app = create_app(settings.model_copy(update=changes))
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def _lines(folder: Path) -> list[dict[str, Any]]:
    found = verify(folder / "audit")
    assert found.wrong == []
    text = "".join(file.read_text() for file in chain.files(folder / "audit"))
    return [json.loads(line) for line in text.splitlines()]


def test_a_reading_is_a_line(recording: httpx.Client, folder: Path, xray: bytes) -> None:
    before = len(_lines(folder))
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "ward-7.0815", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answers = [
        recording.post(path, files={"file": xray}, headers=headers)
        for path in ("/predict", "/explain")
    ]

    lines = _lines(folder)[before:]
    model = recording.get("/model").content
    for line, answer in zip(lines, answers, strict=True):
        body = answer.json()
        assert line["request"] == answer.headers["x-request-id"] == "ward-7.0815"
        assert line["trace"] == trace
        assert line["caller"] == "ward"
        assert line["input"] == {"sha256": sha256(xray).hexdigest()}
        assert line["answer"] == {name: body[name] for name in line["answer"]}
        assert {"label", "probability", "threshold", "prediction_set"} <= set(line["answer"])
        assert {"review", "reasons"} <= set(line["answer"])
        assert line["model"]["name"] == body["model"]["name"]
        assert line["model"]["version"] == body["model"]["version"]
        assert len(line["model"]["digest"]) == 64
        assert line["profile"] is None
    assert json.loads(model)["name"] == lines[0]["model"]["name"]


def test_a_batch_is_a_line_for_each_image_that_was_looked_at(
    recording: httpx.Client, folder: Path, xray: bytes
) -> None:
    before = len(_lines(folder))
    board = synthetic.encode(synthetic.checkerboard())
    files = [("file", data) for data in (xray, board, b"")]
    items = recording.post("/predict/batch", files=files).json()["items"]

    lines = {line["input"]["sha256"]: line for line in _lines(folder)[before:]}
    assert len(lines) == 2
    assert lines[sha256(xray).hexdigest()]["answer"]["label"] == items[0]["prediction"]["label"]
    refused = lines[sha256(board).hexdigest()]
    assert refused["problem"] == items[1]["problem"]["code"] == "not_a_chest_xray"
    assert "answer" not in refused


def test_what_is_not_read_is_not_recorded(
    recording: httpx.Client, folder: Path, xray: bytes
) -> None:
    before = len(_lines(folder))
    recording.post("/picture", files={"file": xray})
    recording.post("/predict", files={"other": xray})
    recording.post("/predict", files={"file": xray}, headers={"Authorization": "Bearer x"})

    assert len(_lines(folder)) == before


def test_nothing_that_names_a_patient_is_in_it(recording: httpx.Client, folder: Path) -> None:
    image = dicom(synthetic.chest(7, pneumonia=True), PatientName=NAME, PatientID="12345678")
    answer = recording.post("/predict?name=Doe", files={"file": (f"{NAME}.dcm", image)})
    assert answer.status_code == httpx.codes.OK

    text = "".join(file.read_text() for file in chain.files(folder / "audit"))
    assert answer.headers["x-request-id"] in text
    assert "Doe" not in text
    assert "12345678" not in text


def test_an_answer_that_cannot_be_recorded_is_not_given(
    recording: httpx.Client, folder: Path, xray: bytes
) -> None:
    before = len(_lines(folder))
    with full_disk(64):
        refused = recording.post("/predict", files={"file": xray})
        batch = recording.post("/predict/batch", files={"file": xray})

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert refused.json()["code"] == "not_recorded"
    assert refused.headers["retry-after"]
    assert batch.json()["items"][0]["problem"]["code"] == "not_recorded"
    assert len(_lines(folder)) == before
    assert recording.post("/predict", files={"file": xray}).status_code == httpx.codes.OK
    assert len(_lines(folder)) == before + 1
