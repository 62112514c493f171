"""What a full service answers on a real socket, and what becomes of the connection."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection

import httpx
import pytest
from fastapi import FastAPI

from app.http.protocol import refusing
from tests.app.conftest import Scripted, serving, wait_until_ready

RAW = {"Content-Type": "image/png"}
LARGE = bytes(3_000_000)


@contextmanager
def full(scripted: Scripted, app: FastAPI, xray: bytes) -> Iterator[httpx.Client]:
    """A client of a service both of whose places are taken until the block ends."""
    with (
        serving(app, refusing(app)) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        wait_until_ready(client)
        scripted.go.clear()
        posts = [pool.submit(client.post, "/predict", content=xray, headers=RAW) for _ in range(2)]
        try:
            while not app.state.reader.is_full:
                time.sleep(0.01)
            yield client
        finally:
            scripted.go.set()
        assert [post.result().status_code for post in posts] == [httpx.codes.OK] * 2


@contextmanager
def connected(client: httpx.Client) -> Iterator[HTTPConnection]:
    """One connection, for all that is asked in the block."""
    connection = HTTPConnection(client.base_url.host, client.base_url.port, timeout=30)
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()


def test_a_full_service_refuses_and_keeps_the_connection(
    scripted: Scripted, app: FastAPI, xray: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with full(scripted, app, xray) as client, connected(client) as connection:
        kept = connection.sock
        for path, body in (("/predict", xray), ("/explain", LARGE), ("/predict/batch", b"")):
            connection.request("POST", path, body, RAW)
            answer = connection.getresponse()
            refused = httpx.Response(answer.status, headers=answer.getheaders())
            assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["retry-after"] == "1"
            assert b'"code":"busy"' in answer.read()
        connection.request("GET", "/live")
        assert connection.getresponse().read() == b'{"status":"live"}'
        assert connection.sock is kept
        metrics = client.get("/metrics").text

    for endpoint in ("/predict", "/explain", "/predict/batch"):
        assert f'pneumoscope_requests_total{{endpoint="{endpoint}",status="503"}} 1.0' in metrics
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.getMessage().partition(":")[0] for record in warnings] == ["Refusing requests"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/predict?a=b", {}),
        ("/predict", {"Connection": "close"}),
        ("/predict", {"Origin": "https://viewer.example"}),
    ],
    ids=["query", "closing", "a page of another origin"],
)
def test_the_app_refuses_what_the_protocol_leaves_to_it(
    scripted: Scripted, app: FastAPI, xray: bytes, path: str, headers: dict[str, str]
) -> None:
    with full(scripted, app, xray) as client:
        refused = client.post(path, content=xray, headers=RAW | headers)

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert refused.json()["code"] == "busy"
    assert refused.headers["x-request-id"]


def test_a_client_that_offers_another_protocol_is_refused_once(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    offer = {"Connection": "Upgrade", "Upgrade": "h2c"}
    with full(scripted, app, xray) as client, connected(client) as connection:
        for _ in range(2):
            connection.request("POST", "/predict", xray, RAW | offer)
            answer = connection.getresponse()
            assert answer.status == httpx.codes.SERVICE_UNAVAILABLE
            assert b'"code":"busy"' in answer.read()
        metrics = client.get("/metrics").text

    assert 'pneumoscope_requests_total{endpoint="/predict",status="503"} 2.0' in metrics


def test_a_refused_client_that_hangs_up_leaves_nothing_behind(
    scripted: Scripted, app: FastAPI, xray: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with full(scripted, app, xray) as client:
        with connected(client) as connection:
            connection.putrequest("POST", "/predict")
            connection.putheader("Content-Length", str(len(LARGE)))
            connection.endheaders(LARGE[:1000])
            assert connection.getresponse().status == httpx.codes.SERVICE_UNAVAILABLE
        scripted.go.set()
        while client.post("/predict", content=xray, headers=RAW).status_code != httpx.codes.OK:
            time.sleep(0.01)

    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_answers_that_nobody_reads_do_not_pile_up(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    requests = 1000 * b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

    def flood(connection: HTTPConnection) -> None:
        connection.sock.settimeout(1)
        for _ in range(1000):
            connection.sock.sendall(requests)

    with full(scripted, app, xray) as client, connected(client) as connection:
        # On a slow machine, the flood is ended as it comes to be too long.
        with pytest.raises((TimeoutError, ConnectionResetError)):
            flood(connection)
        assert client.get("/live").status_code == httpx.codes.OK


def test_a_request_behind_another_one_waits_for_its_turn(
    scripted: Scripted, app: FastAPI, xray: bytes
) -> None:
    request = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(xray), xray)
    )
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        scripted.go.clear()
        address = client.base_url.host, client.base_url.port or 80
        with (
            socket.create_connection(address, 30) as one,
            socket.create_connection(address, 30) as two,
        ):
            one.sendall(request)
            two.sendall(request)
            while not app.state.reader.is_full:
                time.sleep(0.01)
            two.sendall(request)
            # A moment for the service to see it.
            time.sleep(0.1)
            scripted.go.set()
            answers = b""
            while answers.count(b"HTTP/1.1 ") < 2:
                received = two.recv(4096)
                assert received, "the service closed the connection"
                answers += received

    assert answers.count(b"HTTP/1.1 200 OK") == 2
