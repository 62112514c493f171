"""The service while it warms up, when it is full, and when its engine fails."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from tests.app.conftest import Scripted, serving, wait_until_ready


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
