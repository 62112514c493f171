"""The service on a real socket, with the tiny model."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from app.http.protocol import refusing
from app.inference.contract import Answers
from app.main import create_app
from app.reading import from_settings
from app.settings import Settings
from tests import synthetic
from tests.answered import answers


@contextmanager
def serving(
    app: ASGIApp, http: type[asyncio.Protocol] | Literal["auto", "httptools"] = "auto"
) -> Iterator[httpx.Client]:
    """Serve an app on a free port, by uvicorn's protocol or this one, and give a client of it."""
    config = uvicorn.Config(app, port=0, http=http, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def wait_until_ready(client: httpx.Client, seconds: float = 60) -> None:
    """Wait for the warm-up, or fail."""
    deadline = time.monotonic() + seconds
    while client.get("/ready").status_code != httpx.codes.OK:
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def settings(model_root: Path) -> Settings:
    """The tiny model on OpenVINO, and limits that tests reach quickly."""
    return Settings(model_store=model_root, engine="openvino", max_upload_bytes=2**21, max_files=3)


@pytest.fixture(scope="session", params=["openvino", "tensorflow"])
def client(request: pytest.FixtureRequest, settings: Settings) -> Iterator[httpx.Client]:
    """A client of a ready service, once on each engine."""
    pytest.importorskip(request.param)
    app = create_app(settings.model_copy(update={"engine": request.param}))
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def xray() -> bytes:
    """A drawn chest with pneumonia, as PNG: 560 wide, 480 high."""
    return synthetic.encode(synthetic.chest(7, pneumonia=True))


class Scripted:
    """An engine that waits for `go`, and answers with `value`, but for some `outputs`."""

    name = "scripted"
    device = "none"
    streams = 1
    max_batch = 4

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.value = 0.5
        self.outputs: dict[str, npt.ArrayLike] = {}
        self.error: Exception | None = None
        self.inferred = 0

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        self.inferred += 1
        assert self.go.wait(30)
        if self.error:
            raise self.error
        return answers(np.full(len(images), self.value), **self.outputs)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr(from_settings, "load", lambda *_: scripted)
    return scripted


@pytest.fixture
def app(scripted: Scripted, model_root: Path) -> FastAPI:
    return create_app(Settings(model_store=model_root, max_in_flight=2))
