"""Offers of another protocol, which are passed over, on a real socket."""

import socket
import time
from itertools import pairwise

import httpx
import pytest

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n"
WEB_SOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
)
CLOSE = b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def _asked(client: httpx.Client, *pieces: bytes) -> bytes:
    """All that comes back until the service closes the connection."""
    address = client.base_url.host, client.base_url.port or 80
    with socket.create_connection(address, 30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            # So that each arrives by itself.
            time.sleep(0.02)
        return b"".join(iter(lambda: connection.recv(2**16), b""))


def _post(offer: bytes, xray: bytes) -> bytes:
    return (
        b"POST /predict HTTP/1.1\r\nHost: x\r\n%bContent-Type: image/png\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (offer, len(xray), xray)
    )


@pytest.mark.parametrize("offer", [H2C, WEB_SOCKET], ids=["h2c", "websocket"])
def test_the_body_is_kept(client: httpx.Client, xray: bytes, offer: bytes) -> None:
    answer = _asked(client, _post(offer, xray), CLOSE)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b'"label":' in answer


def test_the_body_is_kept_however_it_is_cut(client: httpx.Client, xray: bytes) -> None:
    request = _post(H2C, xray)
    head = request.index(b"\r\n\r\n")
    cuts = [0, 10, head, head + 2, head + 4, head + 5, head + 3000, len(request)]
    pieces = [request[a:b] for a, b in pairwise(cuts)]

    answer = _asked(client, *pieces, CLOSE)

    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_several_at_once_get_their_answers_in_order(client: httpx.Client, xray: bytes) -> None:
    answer = _asked(client, _post(H2C, xray) + _post(b"", xray) + _post(WEB_SOCKET, xray) + CLOSE)

    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.endswith(b'{"status":"live"}')


def test_a_chunked_body_is_kept(client: httpx.Client, xray: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\n%bContent-Type: image/png\r\n" % H2C
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(xray), xray)

    answer = _asked(client, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, CLOSE)

    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_a_web_socket_is_no_page_here(client: httpx.Client) -> None:
    answer = _asked(client, b"GET /live HTTP/1.1\r\nHost: x\r\n" + WEB_SOCKET + b"\r\n", CLOSE)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"101" not in answer


def test_a_tunnel_is_refused(client: httpx.Client) -> None:
    answer = _asked(client, b"CONNECT /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 405 ")
