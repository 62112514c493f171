"""An unknown uvicorn is served with, but without the bounds, and the log says so."""

import httpx
import pytest
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http import uvicorn_internals
from app.http.connections import Bounded
from app.http.protocol import protocol_for
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


def test_nothing_is_missing(app: FastAPI) -> None:
    assert uvicorn_internals.missing() == []
    protocol = protocol_for(app)
    assert isinstance(protocol, type)
    assert issubclass(protocol, Bounded)


@pytest.mark.parametrize("name", ["on_response_complete", "pipeline"])
def test_without_a_part_the_service_still_answers(
    name: str,
    app: FastAPI,
    xray: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        if hasattr(HttpToolsProtocol, name):
            patch.setattr(HttpToolsProtocol, name, None)
        else:
            patch.setattr(uvicorn_internals, "_attributes", lambda kind: set())
        assert name in uvicorn_internals.missing()
        assert protocol_for(app) == "httptools"
    assert "Connections are not bounded" in caplog.text

    with serving(app, "httptools") as client:
        wait_until_ready(client)
        assert client.post("/predict", files={"file": xray}).status_code == httpx.codes.OK
