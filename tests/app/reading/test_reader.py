"""The service while it warms up, when it is full, and when its engine fails."""

import asyncio
import gc
import weakref
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.inference.contract import OUTPUTS
from app.main import create_app
from app.reading import drift
from app.reading.reader import Reader
from app.reading.served import Served
from app.settings import Settings
from model_store.store import ModelError, resolve
from tests.answered import SIDE, lungs
from tests.app.conftest import Scripted, serving, wait_until_ready
from tests.app.dicom_results import given
from tests.app.reading import profiles

NO_LUNGS = np.zeros((SIDE, SIDE))


def test_not_ready_until_the_warm_up_has_passed(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    scripted.go.clear()
    with serving(app) as client:
        for answer in (client.get("/ready"), client.post("/predict", files={"file": xray})):
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert answer.json()["code"] == "not_ready"
            assert answer.headers["retry-after"] == "1"
        assert client.get("/live").status_code == httpx.codes.OK
        scripted.go.set()
        wait_until_ready(client)
        assert client.post("/predict", files={"file": xray}).status_code == httpx.codes.OK


def test_a_model_that_fails_its_warm_up_never_answers(
    scripted: Scripted, app: FastAPI, xray: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.value = float("nan")

    async def run() -> httpx.Response:
        async with app.router.lifespan_context(app):
            while not caplog.records:
                await asyncio.sleep(0.01)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                return await client.post("/predict", files={"file": xray})

    answer = asyncio.run(asyncio.wait_for(run(), 30))

    assert answer.json()["code"] == "not_ready"
    assert "failed its warm-up" in caplog.text


def test_a_full_service_says_when_to_come_back(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://app") as client,
        ):
            while (await client.get("/ready")).status_code != httpx.codes.OK:
                await asyncio.sleep(0.01)
            scripted.go.clear()
            requests = [
                asyncio.create_task(client.post("/predict", files={"file": xray})) for _ in range(3)
            ]
            (refused,), held = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
            scripted.go.set()
            answers = [await refused, *(await asyncio.gather(*held))]
            return [await client.get("/metrics"), *answers]

    metrics, refused, *held = asyncio.run(asyncio.wait_for(run(), 30))

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert refused.json()["code"] == "busy"
    assert refused.headers["retry-after"] == "1"
    assert [answer.status_code for answer in held] == [httpx.codes.OK] * 2
    assert 'pneumoscope_requests_total{endpoint="/predict",status="503"} 1.0' in metrics.text


@pytest.fixture
def lenient(scripted: Scripted, model_root: Path) -> FastAPI:
    """An app that answers what shows no lungs."""
    return create_app(Settings(model_store=model_root, unsuitable="warn"))


@pytest.mark.parametrize("probability", [0.01, 0.99])
def test_an_image_without_lungs_is_answered_without_a_label_where_that_is_set(
    scripted: Scripted, lenient: FastAPI, xray: bytes, probability: float
) -> None:
    scripted.outputs = {"lungs": NO_LUNGS, "cam": NO_LUNGS + 1}
    scripted.value = probability
    with serving(lenient) as client:
        wait_until_ready(client)
        body = client.post("/predict", files={"file": xray}).json()
        explained = client.post("/explain", files={"file": xray}).json()
        metrics = client.get("/metrics").text

    assert body["label"] == "INDETERMINATE"
    assert body["probability"] == pytest.approx(probability)
    assert body["prediction_set"] == ["NORMAL", "PNEUMONIA"]
    assert body["warnings"] == ["no_lungs_found"]
    assert body["review"] is True
    assert body["reasons"] == ["both_labels_possible", "no_lungs_found"]
    assert body["lungs"] == {"found": False, "box": None, "cut_off": False}
    shown = "PNEUMONIA" if probability > 0.5 else "NORMAL"
    assert explained["overlay"]["target"] == shown
    assert explained["evidence_in_lungs"] is None
    assert 'pneumoscope_predictions_total{label="INDETERMINATE"} 2.0' in metrics
    assert 'pneumoscope_warnings_total{code="no_lungs_found"} 2.0' in metrics


def test_what_is_refused_is_counted_as_no_prediction(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    scripted.outputs = {"lungs": NO_LUNGS}
    with serving(app) as client:
        wait_until_ready(client)
        answer = client.post("/predict", files={"file": xray})
        metrics = client.get("/metrics").text

    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_chest_xray")
    for label in ("NORMAL", "PNEUMONIA", "INDETERMINATE"):
        assert f'pneumoscope_predictions_total{{label="{label}"}} 0.0' in metrics
    assert 'pneumoscope_requests_total{endpoint="/predict",status="422"} 1.0' in metrics
    assert 'pneumoscope_problems_total{code="not_a_chest_xray"} 1.0' in metrics


def test_the_latest_readings_are_seen_beside_the_reference(
    scripted: Scripted, model_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "LEAST", 2)
    path, chest = tmp_path / "profile.json", given.source_file(ViewPosition="PA")
    reference = {
        "view": dict.fromkeys(drift.BINS["view"], 1),
        "format": dict.fromkeys(drift.BINS["format"], 0) | {"DICOM": 2},
        "probability": dict.fromkeys(drift.BINS["probability"], 0) | {"0.8": 2},
    }
    # Of the model's own probability, not of the one at this prevalence.
    profiles.write(path, resolve(model_root).manifest, prevalence=0.1, reference=reference)
    scripted.value = 0.75
    with serving(create_app(Settings(model_store=model_root, profile=path))) as client:
        wait_until_ready(client)
        assert client.post("/predict", files={"file": chest}).status_code == httpx.codes.OK
        once = client.get("/metrics").text
        client.post("/predict", files={"file": chest})
        scripted.outputs = {"lungs": NO_LUNGS}
        client.post("/predict", files={"file": chest})
        metrics = client.get("/metrics").text

    assert 'pneumoscope_reference_share{bin="PA",quantity="view"} 0.2' in once
    assert "pneumoscope_stability_index{" not in once
    assert 'pneumoscope_stability_index{quantity="format"} 0.0' in metrics
    assert 'pneumoscope_stability_index{quantity="probability"} 0.0' in metrics
    assert 'pneumoscope_recent_share{bin="PA",quantity="view"} 1.0' in metrics
    assert 'pneumoscope_views_total{view="PA"} 2.0' in metrics
    assert 'pneumoscope_age_groups_total{age_group="65+"} 2.0' in metrics


def test_lungs_that_go_on_beyond_the_image_are_told(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    scripted.outputs = {"lungs": lungs(left=(0, 12))}
    scripted.value = 0.99
    with serving(app) as client:
        wait_until_ready(client)
        body = client.post("/predict", files={"file": xray}).json()

    assert body["label"] == "PNEUMONIA"
    assert body["lungs"]["cut_off"] is True
    assert body["lungs"]["box"][0] == 0
    assert (body["warnings"], body["reasons"]) == (["lungs_cut_off"], ["lungs_cut_off"])


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_that_is_not_finite_is_found_before_a_client_meets_it(
    scripted: Scripted, app: FastAPI, output: str
) -> None:
    broken = np.asarray(getattr(scripted.infer(np.zeros(1, np.uint8)), output)[0]) * np.nan
    numbers = ("logit", "probability", "novelty")
    scripted.outputs = {output: [broken] * 4 if output in numbers else broken}

    with pytest.raises(ModelError, match="not finite"):
        asyncio.run(app.state.reader.try_engine())


def test_what_began_with_a_model_ends_with_it_and_then_it_is_gone(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    other = Scripted()
    reader: Reader = app.state.reader
    manifest = reader.model.manifest.model_copy(update={"version": 2})
    before = weakref.ref(reader._served)

    async def run() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://app") as client,
        ):
            await reader.ready()
            scripted.go.clear()

            async def versions() -> list[int]:
                files = [("file", xray)] * 2
                items = (await client.post("/predict/batch", files=files)).json()["items"]
                return [item["prediction"]["model"]["version"] for item in items]

            begun = asyncio.create_task(versions())
            inferred = scripted.inferred
            while scripted.inferred == inferred:
                await asyncio.sleep(0.001)
            changing = asyncio.create_task(reader.change_to(Served(manifest, other)))
            while reader.model.version == 1:
                await asyncio.sleep(0.001)
            later = await versions()
            assert not changing.done()
            scripted.go.set()
            await changing
            found = [*await begun, *later]
            assert before() is None
            return found

    gc.collect()
    # The memory is free at once, not when Python looks for cycles.
    gc.disable()
    try:
        assert asyncio.run(asyncio.wait_for(run(), 30)) == [1, 1, 2, 2]
    finally:
        gc.enable()
