"""What is logged and counted around a request."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import Scripted, serving, wait_until_ready


@contextmanager
def sending(client: httpx.Client, body: bytes, declared: int) -> Iterator[socket.socket]:
    """A connection on which `body` was sent, of as many bytes as were declared; hangs up after."""
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80)) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (declared, body)
        )
        yield connection


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    """The service's own log, without that of the tests' client."""
    caplog.set_level(logging.WARNING, "httpx")
    caplog.set_level(logging.INFO, "pneumoscope")


def test_a_failure_is_logged_without_what_the_client_sent(
    scripted: Scripted, app: FastAPI, xray: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app) as client:
        wait_until_ready(client)
        scripted.error = RuntimeError("Jane Doe")
        answer = client.post("/predict?name=Jane", files={"file": ("Jane.png", xray)})
        scripted.error = None
        assert client.post("/predict", files={"file": xray}).status_code == httpx.codes.OK

    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert answer.json()["code"] == "internal_error"
    request_id = answer.headers["x-request-id"]
    assert f"{request_id} failed with RuntimeError" in caplog.text
    assert "Jane" not in caplog.text


def test_each_request_is_a_line_of_the_log(
    scripted: Scripted, app: FastAPI, xray: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app) as client:
        wait_until_ready(client)
        answer = client.post("/predict", files={"file": xray})
        client.get("/nowhere")

    read, missed = (record.getMessage().split() for record in caplog.records[-2:])
    assert read[:3] == [answer.headers["x-request-id"], "/predict", "200"]
    assert missed[1:3] == ["none", "404"]


def test_a_client_that_hangs_up_is_no_failure_of_the_service(
    scripted: Scripted, app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app) as client:
        wait_until_ready(client)
        with sending(client, b"abc", 100_000):
            pass
        while "/predict" not in caplog.text:
            time.sleep(0.01)

    assert {record.levelname for record in caplog.records} == {"INFO"}
    assert caplog.records[-1].getMessage().split()[1:3] == ["/predict", "499"]


def test_the_work_of_a_client_that_hung_up_is_cancelled(
    scripted: Scripted, app: FastAPI, xray: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app) as client:
        wait_until_ready(client)
        scripted.go.clear()
        for _ in range(2):
            with sending(client, xray, len(xray)):
                pass
        while caplog.text.count("/predict 499") < 2:
            time.sleep(0.01)
        scripted.go.set()
        # Both places are free again.
        assert client.post("/predict", files={"file": xray}).status_code == httpx.codes.OK


def test_a_slow_client_holds_its_place_for_so_long_only(
    scripted: Scripted, model_root: Path, xray: bytes
) -> None:
    app = create_app(Settings(model_store=model_root, max_in_flight=1, upload_seconds=0.2))
    with serving(app) as client:
        wait_until_ready(client)
        with sending(client, b"abc", 1000) as connection:
            answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()
        assert client.post("/predict", files={"file": xray}).status_code == httpx.codes.OK
