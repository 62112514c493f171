"""What the settings make of the app: who may ask it from a page, and under which path."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.http.protocol import refusing
from app.main import create_app
from app.settings import Settings
from model_store.store import ModelVersion
from tests.app.conftest import Scripted, serving, wait_until_ready
from tests.app.reading import profiles

VIEWER = "https://viewer.example:8443"
ASKED = "access-control-allow-origin"
Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(scripted: Scripted, settings: Settings) -> Iterator[Serve]:
    """Serve with some settings changed, until the test ends."""
    with ExitStack() as running:

        def start(**changes: Any) -> httpx.Client:
            app = create_app(Settings(**(settings.model_dump() | changes)))
            client = running.enter_context(serving(app, refusing(app)))
            wait_until_ready(client)
            return client

        yield start


def test_no_page_may_ask_by_default(serve: Serve, xray: bytes) -> None:
    client = serve()
    asked = client.post("/predict", files={"file": xray}, headers={"Origin": VIEWER})
    preflight = {"Origin": VIEWER, "Access-Control-Request-Method": "POST"}

    assert asked.status_code == httpx.codes.OK
    assert not [name for name in asked.headers if name.startswith("access-control")]
    allowed = client.options("/predict", headers=preflight)
    assert allowed.status_code == httpx.codes.METHOD_NOT_ALLOWED


def test_pages_of_named_origins_may_ask(serve: Serve, xray: bytes) -> None:
    client = serve(cors_origins=f"https://other.example, {VIEWER}")
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }

    allowed = client.options("/predict", headers=preflight | {"Origin": VIEWER})
    refused = client.options("/predict", headers=preflight | {"Origin": "https://evil.example"})
    asked = client.post("/predict", files={"file": xray}, headers={"Origin": VIEWER})
    broken = client.post("/predict", files={"file": b"text"}, headers={"Origin": VIEWER})
    foreign = client.get("/live", headers={"Origin": "https://evil.example"})

    assert (allowed.status_code, allowed.headers[ASKED]) == (httpx.codes.OK, VIEWER)
    assert allowed.headers["access-control-allow-headers"] == "content-type"
    assert ASKED not in refused.headers
    assert asked.headers[ASKED] == broken.headers[ASKED] == VIEWER
    assert "X-Request-ID" in asked.headers["access-control-expose-headers"]
    assert broken.json()["code"] == "unsupported_format"
    assert ASKED not in foreign.headers


def test_a_site_profile_counts_and_is_told(
    serve: Serve, scripted: Scripted, tiny_model: ModelVersion, xray: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "profile.json"
    threshold = {"value": 0.75, "sensitivity": 0.9}
    profile = profiles.write(path, tiny_model.manifest, prevalence=0.1, threshold=threshold)
    scripted.value = 0.625
    client = serve(profile=path)

    body = client.post("/predict", files={"file": xray}).json()
    assert (body["probability"], body["threshold"]) == pytest.approx((5 / 32, 0.25))
    assert body["label"] == "NORMAL"
    assert body["profile"] == {"digest": profile.digest, "created": "2026-01-01T00:00:00Z"}
    explained = client.post("/explain", files={"file": xray}).json()
    assert explained["profile"] == body["profile"]
    assert client.get("/model").json()["profile"] == profile.model_dump(mode="json")


def test_pages_of_any_origin_may_ask(serve: Serve) -> None:
    assert serve(cors_origins="*").get("/live", headers={"Origin": VIEWER}).headers[ASKED] == "*"


@pytest.mark.parametrize("prefix", ["/xray", "/a/b", "/xray/"])
def test_a_prefix_may_be_left_on_the_path_or_taken_off(
    serve: Serve, xray: bytes, prefix: str
) -> None:
    client = serve(root_path=prefix)
    for path in ("", prefix.rstrip("/")):
        assert client.get(f"{path}/docs").status_code == httpx.codes.OK
        assert client.get(f"{path}/openapi.json").json()["servers"] == [{"url": "."}]
        assert client.post(f"{path}/predict", files={"file": xray}).status_code == httpx.codes.OK
    counted = client.get("/metrics").text
    assert 'pneumoscope_requests_total{endpoint="/predict",status="200"} 2.0' in counted
    assert client.get("/other/docs").status_code == httpx.codes.NOT_FOUND
