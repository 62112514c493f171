"""What a stranger may do to a connection, on real sockets, and what it costs nobody else."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from prometheus_client import generate_latest
from starlette.types import Receive, Scope, Send

from app.http import connections
from app.http.connections import Bounded, Crowd
from app.reading.metrics import Metrics
from tests.app.conftest import serving

MOST = 8
SECONDS = 0.3
GET = b"GET /live HTTP/1.1\r\nHost: x\r\n"
BIG = 3_000_000


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body's length and the fields of the head; `/big` with three megabytes."""
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = bytes(BIG) if scope["path"] == "/big" else b"%d %d" % (size, len(scope["headers"]))
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setattr(connections, "_SECONDS_BETWEEN_SWEEPS", 0.05)
    with _served(metrics, SECONDS) as client:
        yield client


@pytest.fixture
def patient(metrics: Metrics) -> Iterator[httpx.Client]:
    """A client of a service that waits long."""
    with _served(metrics, 60) as client:
        yield client


@contextmanager
def _served(metrics: Metrics, seconds: float) -> Iterator[httpx.Client]:
    class Protocol(Bounded):
        crowd = Crowd(metrics, MOST, seconds)

    with serving(_app, Protocol) as client:
        yield client


@contextmanager
def _connected(client: httpx.Client, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    address = client.base_url.host, client.base_url.port or 80
    with socket.create_connection(address, 30, (source, 0)) as connection:
        yield connection


def _all_of(connection: socket.socket) -> bytes:
    """What comes until the service closes the connection."""
    received = b""
    try:
        while data := connection.recv(2**16):
            received += data
    except ConnectionResetError:
        pass
    return received


def _send_until_refused(connection: socket.socket, head: bytes, more: bytes) -> int:
    """Send a head and then more and more; returns the bytes that went out of 50 megabytes."""
    connection.sendall(head)
    sent = 0
    try:
        while sent < 50_000_000:
            connection.sendall(more)
            sent += len(more)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


HEADS = {
    "a long URL": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414 "),
    "a URL without end": (b"GET /" + b"a" * 300_000, b"414 "),
    "many fields": (GET + b"a: b\r\n" * 101 + b"\r\n", b"431 "),
    "large fields": (GET + b"a: %b\r\n" % (b"b" * 8_000) * 5 + b"\r\n", b"431 "),
    "a field without end": (GET + b"a: " + b"b" * 600_000, b"431 "),
    "lines before the head without end": (b"\r\n" * 300_000, b"431 "),
    "no HTTP": (b"hello\r\n\r\n", b"400 "),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_a_bound(client: httpx.Client, name: str, metrics: Metrics) -> None:
    head, status = HEADS[name]

    with _connected(client) as connection:
        connection.sendall(head)
        answer = _all_of(connection)

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"content-type: application/problem+json" in answer
    assert answer.count(b"HTTP/1.1") == 1
    counted = f'pneumoscope_requests_total{{endpoint="none",status="{status.decode().strip()}"}}'
    assert f"{counted} 1.0" in generate_latest(metrics.registry).decode()


def test_a_head_within_the_bounds_is_read(patient: httpx.Client) -> None:
    fields = {f"X-{number}": "x" * 200 for number in range(90)}

    assert patient.get("/" + "a" * 8_000, headers=fields).text.startswith("0 9")


@pytest.mark.parametrize("head", [GET, b"GET /"], ids=["of header lines", "of a URL"])
def test_a_head_without_end_is_not_listened_to(client: httpx.Client, head: bytes) -> None:
    more = b"a: b\r\n" * 10_000 if head is GET else b"a" * 60_000

    with _connected(client) as connection:
        started = time.monotonic()
        _send_until_refused(connection, head, more)
        assert client.get("/live").text
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("sent", [b"", b"\r\n", GET], ids=["nothing", "a line", "half a head"])
def test_a_head_must_come_in_time(
    client: httpx.Client, sent: bytes, monkeypatch: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    with _connected(client) as connection:
        connection.sendall(sent)
        assert _all_of(connection) == b""

    assert metrics.connections_closed.labels("slow")._value.get() == 1


@pytest.mark.parametrize(
    "rest",
    [
        b"".join(b"1\r\nx\r\n" for _ in range(200_000)),
        b"1;" + b"e" * 600_000,
        b"0\r\n" + b"a: b\r\n" * 100_000,
        b"0\r\na: " + b"b" * 600_000,
    ],
    ids=["small chunks", "a chunk extension", "trailers", "a trailer"],
)
def test_the_cost_of_chunks_has_a_bound(patient: httpx.Client, rest: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    with _connected(patient) as connection:
        connection.sendall(head)
        # So that the body does not come with the head.
        time.sleep(0.05)
        connection.sendall(rest)
        assert _all_of(connection).startswith(b"HTTP/1.1 400 ")
    assert patient.get("/live").text


def test_trailers_are_no_fields_of_the_head(patient: httpx.Client) -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\nContent-Type: image/png\r\n\r\n"
    )

    with _connected(patient) as connection:
        connection.sendall(request)
        assert _all_of(connection).endswith(b"\r\n\r\n3 3")


def test_connections_that_say_nothing_leave_room(client: httpx.Client, metrics: Metrics) -> None:
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            stack.enter_context(_connected(client))
        for _ in range(3):
            with httpx.Client(base_url=client.base_url, trust_env=False) as another:
                assert another.get("/live").is_success

    assert metrics.connections_closed.labels("too_many")._value.get() >= 2 * MOST


def test_a_client_of_many_connections_loses_them_first(client: httpx.Client) -> None:
    with ExitStack() as stack, _connected(client, "127.0.0.2") as modest:
        for _ in range(3 * MOST):
            stack.enter_context(_connected(client))
        modest.sendall(GET + b"Connection: close\r\n\r\n")
        assert _all_of(modest).startswith(b"HTTP/1.1 200 ")


def test_as_many_connections_as_files_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.connections.resource.getrlimit", lambda _: (256, 256))

    assert connections.most_connections(100) == 100
    assert connections.most_connections(500) == 156


def test_an_answer_must_be_read_in_time(client: httpx.Client, metrics: Metrics) -> None:
    closed = metrics.connections_closed.labels("unread")

    with _connected(client) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(10 * b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        while not closed._value.get():
            time.sleep(0.01)
        assert len(_all_of(connection)) < 10 * BIG


def test_who_reads_an_answer_slowly_owes_no_head(
    patient: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_SECONDS_BETWEEN_SWEEPS", 0.05)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    with _connected(patient) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.5)
        assert len(_all_of(connection)) > BIG


def test_the_service_ends_though_answers_are_not_read(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_SECONDS_BETWEEN_SWEEPS", 0.05)

    with ExitStack() as stack:
        with _served(metrics, SECONDS) as client:
            for _ in range(3):
                connection = stack.enter_context(_connected(client))
                connection.sendall(100 * b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.1)
            started = time.monotonic()
        assert time.monotonic() - started < 10


def test_answers_that_wait_to_be_read_have_a_bound(
    patient: httpx.Client, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_UNREAD_BYTES", 2 * BIG)
    request = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"

    with ExitStack() as stack, _connected(patient, "127.0.0.2") as modest:
        for source in (modest, *(stack.enter_context(_connected(patient)) for _ in range(4))):
            source.sendall(request)
        while not metrics.connections_closed.labels("unread")._value.get():
            time.sleep(0.01)
        received = b""
        while len(received) < BIG:
            data = modest.recv(2**20)
            assert data, "the client that has one answer was closed"
            received += data


def test_requests_that_wait_behind_another_have_a_bound(patient: httpx.Client) -> None:
    with _connected(patient) as connection:
        connection.sendall(1000 * (GET + b"\r\n"))
        answers = _all_of(connection)

    assert 1 < answers.count(b"HTTP/1.1 200 ") <= connections.MOST_PIPELINED + 2
    assert answers.endswith(b"\r\n\r\n0 1")
