"""Who may ask the service, on a real socket."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from app.http import tokens
from app.http.access import warn_if_open
from app.http.protocol import refusing
from app.http.routes import docs, explain, page, picture, predict, service
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import Scripted, serving, wait_until_ready

OPEN = {"/", "/live", "/ready", "/docs", "/openapi.json"}


@pytest.fixture
def made() -> tuple[str, str]:
    """A token, and its line for the file: two requests a minute."""
    token, line = tokens.new("ward")
    return token, f"{line} 2\n"


@pytest.fixture
def file(tmp_path: Path, made: tuple[str, str]) -> Path:
    free, line = tokens.new("ris")
    (tmp_path / "free").write_text(free)
    (tmp_path / "tokens").write_text(f"{made[1]}{line}\n")
    return tmp_path / "tokens"


@pytest.fixture
def free(file: Path) -> dict[str, str]:
    """The header of a caller that may ask as often as it wants."""
    return {"Authorization": f"Bearer {(file.parent / 'free').read_text()}"}


@pytest.fixture
def client(scripted: Scripted, model_root: Path, file: Path) -> Iterator[httpx.Client]:
    changes: dict[str, Any] = {"root_path": "/xray", "cors_origins": "https://viewer.example"}
    app = create_app(Settings(model_store=model_root, tokens=file, **changes))
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        client.app = app  # type: ignore[attr-defined]
        yield client


def test_everything_but_a_few_paths_needs_a_token(
    client: httpx.Client, free: dict[str, str]
) -> None:
    modules = (docs, explain, page, picture, predict, service)
    routes = [route for module in modules for route in module.router.routes]
    paths = {route.path for route in routes if isinstance(route, APIRoute)}
    paths |= {"/openapi.json", "/nowhere"}
    files = {path for path in paths if path.startswith(("/page/", "/swagger/"))}
    for prefix in ("", "/xray"):
        refused = {
            path
            for path in paths
            for method in ("GET", "POST", "HEAD")
            if client.request(method, prefix + path).status_code == httpx.codes.UNAUTHORIZED
        }
        assert refused == paths - OPEN - files
    assert "/predict" in refused
    assert client.get("/model", headers=free).status_code == httpx.codes.OK
    assert client.get("/xraylive").status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize(
    ("given", "challenge"),
    [
        ({}, 'Bearer realm="pneumoscope"'),
        ({"Authorization": "Basic SECRET"}, 'Bearer realm="pneumoscope"'),
        ({"Authorization": "Bearer"}, 'Bearer realm="pneumoscope", error="invalid_token"'),
        ({"Authorization": "Bearer SECRET"}, 'Bearer realm="pneumoscope", error="invalid_token"'),
    ],
)
def test_a_refusal_says_what_is_needed(
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, str],
    challenge: str,
) -> None:
    caplog.set_level(logging.INFO)
    answer = client.post("/predict", headers=given)

    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"
    assert answer.headers["x-request-id"]
    assert "SECRET" not in answer.text + caplog.text


def test_a_token_reads_and_is_counted_by_its_name(
    client: httpx.Client, made: tuple[str, str], free: dict[str, str], xray: bytes
) -> None:
    own = {"Authorization": f"bearer {made[0]}"}
    asked = [client.post("/predict", files={"file": xray}, headers=own) for _ in range(3)]

    ok, too_many = httpx.codes.OK, httpx.codes.TOO_MANY_REQUESTS
    assert [answer.status_code for answer in asked] == [ok, ok, too_many]
    assert asked[-1].json()["code"] == "too_many_requests"
    assert 25 < int(asked[-1].headers["retry-after"]) <= 30
    assert client.post("/predict", files={"file": xray}, headers=free).status_code == ok
    counted = client.get("/metrics", headers=free).text
    for name, status, count in (("ward", 200, 2), ("ward", 429, 1), ("ris", 200, 1)):
        line = f'pneumoscope_caller_requests_total{{caller="{name}",status="{status}"}} {count}.0'
        assert line in counted


def test_a_refusal_does_not_wait_for_the_body(client: httpx.Client) -> None:
    address = client.base_url.host, client.base_url.port or 80
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    with socket.create_connection(address, 30) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
    in_flight = client.app.state.metrics.registry  # type: ignore[attr-defined]
    assert in_flight.get_sample_value("pneumoscope_in_flight") == 0


def test_a_page_of_another_origin_may_ask_how_to_ask(client: httpx.Client) -> None:
    origin = {"Origin": "https://viewer.example"}
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert client.options("/predict", headers=origin | preflight).status_code == httpx.codes.OK
    refused = client.post("/predict", headers=origin)
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    assert refused.headers["access-control-allow-origin"] == "https://viewer.example"


def test_the_description_says_that_a_token_is_needed(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()

    assert described["paths"]["/predict"]["post"]["security"] == [{"HTTPBearer": []}]
    assert {"401", "429"} <= set(described["paths"]["/predict"]["post"]["responses"])


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ({"host": "0.0.0.0"}, 1),  # noqa: S104
        ({"host": "127.0.0.1"}, 0),
        ({"host": "0.0.0.0", "tokens": "x"}, 0),  # noqa: S104
        ({"host": "0.0.0.0", "tls_client_ca": "x"}, 0),  # noqa: S104
        ({"host": "0.0.0.0", "tls_certificate": "x"}, 1),  # noqa: S104
    ],
)
def test_an_open_service_is_told_of(
    given: dict[str, str], times: int, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_open(Settings.model_validate(given))

    assert caplog.text.count("MAY ASK") == times
