"""Answers that come before the body has, to clients who send all of it first."""

import socket
import time

import httpx
import pytest
from fastapi import FastAPI

from app.http import lingering
from app.http.protocol import refusing
from tests.app.conftest import serving

CLOSING = [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"]
MEGABYTES = 8


def _head(version: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % (MEGABYTES * 2**20)
    return b"POST /nowhere " + version + b"Host: x\r\n" + length + b"\r\n"


@pytest.mark.parametrize("version", CLOSING)
def test_the_answer_outlives_the_body(app: FastAPI, version: bytes) -> None:
    with serving(app, refusing(app)) as client:
        address = client.base_url.host, client.base_url.port or 80
        with socket.create_connection(address, 60) as connection:
            connection.sendall(_head(version))
            # Long enough for the answer to be there.
            time.sleep(0.5)
            for _ in range(MEGABYTES):
                connection.sendall(bytes(2**20))
            answer = b"".join(iter(lambda: connection.recv(2**16), b""))

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"}")


def test_nobody_is_waited_for_for_ever(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "_MOST_SECONDS", 0.2)
    with serving(app, refusing(app)) as client:
        address = client.base_url.host, client.base_url.port or 80
        with socket.create_connection(address, 60) as connection:
            connection.sendall(_head(CLOSING[0]))
            answer = b"".join(iter(lambda: connection.recv(2**16), b""))
        assert client.get("/live").status_code == httpx.codes.OK

    assert answer.startswith(b"HTTP/1.1 404 ")
