"""Connections that say nothing, or not what they should, and what they cost others."""

import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from app.pacs.node import lobby
from tests.app.pacs import raw
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.node.scp import Node, listening

SOON = 3.0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listening(tmp_path) as node:
        yield node


def _associates_soon(node: Node, host: str = LOCALHOST) -> None:
    started = time.monotonic()
    with raw.association(node.port, host):
        assert time.monotonic() - started < SOON


@pytest.mark.parametrize("said", [b"", b"\1", raw.request()[:100]], ids=["nothing", "1", "half"])
def test_the_silent_keep_nobody_waiting(node: Node, said: bytes) -> None:
    with ExitStack() as silent:
        for _ in range(30):
            silent.enter_context(raw.connection(node.port)).sendall(said)
        node.waits_for("connections_waiting", 30)
        _associates_soon(node)
        _associates_soon(node, raw.OTHER_HOST)


def test_dcmtk_is_answered_beside_the_silent(node: Node) -> None:
    if shutil.which("echoscu") is None:
        pytest.skip("echoscu is not installed; Debian's package dcmtk has it")
    with ExitStack() as silent:
        for _ in range(10):
            silent.enter_context(raw.connection(node.port))
        node.waits_for("connections_waiting", 10)
        started = time.monotonic()
        command = ["echoscu", "-aec", "PNEUMOSCOPE", LOCALHOST, str(node.port)]
        subprocess.run(command, check=True, timeout=60)
        assert time.monotonic() - started < SOON


def test_the_silent_are_closed_after_a_while_and_counted(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lobby, "REQUEST_SECONDS", 0.5)
    with caplog.at_level(logging.INFO), ExitStack() as silent:
        opened = [silent.enter_context(raw.connection(node.port)) for _ in range(20)]
        for connection in opened:
            assert connection.recv(1) == b""
    assert node.metric("connections_closed_total", reason="silent") == 20
    assert node.metric("connections_waiting") == 0
    assert [record.message for record in caplog.records] == ["Closing connections: silent."]


def test_a_request_in_drops_has_its_time(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lobby, "REQUEST_SECONDS", 0.5)
    with raw.connection(node.port) as opened, suppress(ConnectionError):
        for byte in raw.request():
            opened.sendall(bytes([byte]))
            time.sleep(0.05)
    assert node.metric("connections_closed_total", reason="silent") == 1


def test_a_request_in_pieces_is_answered(node: Node) -> None:
    with raw.connection(node.port) as opened:
        for byte in raw.request():
            opened.sendall(bytes([byte]))
        assert raw.received(opened)[0] == raw.ASSOCIATE_AC


def test_of_too_many_the_oldest_of_the_greediest_goes(node: Node) -> None:
    with ExitStack() as silent:
        other = silent.enter_context(raw.connection(node.port, raw.OTHER_HOST))
        many = [
            silent.enter_context(raw.connection(node.port)) for _ in range(lobby.MOST_WAITING + 10)
        ]
        node.waits_for("connections_closed_total", 11, reason="too_many")
        assert node.metric("connections_waiting") == lobby.MOST_WAITING
        assert many[0].recv(1) == many[10].recv(1) == b""
        other.sendall(raw.request())
        assert raw.received(other)[0] == raw.ASSOCIATE_AC
        many[11].sendall(raw.request())
        assert raw.received(many[11])[0] == raw.ASSOCIATE_AC


def test_a_check_of_the_port_costs_nothing(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(200):
            socket.create_connection((LOCALHOST, node.port)).close()
        node.waits_for("connections_closed_total", 200, reason="hung_up")
        _associates_soon(node)
    assert caplog.records == []


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\n\r\n", raw.pdu(4, bytes(10)), b"\1\0\xff\xff\xff\xff", raw.pdu(1, b"")],
    ids=["HTTP", "P-DATA", "4 GiB", "empty"],
)
def test_what_is_no_request_is_closed(node: Node, said: bytes) -> None:
    with raw.connection(node.port) as opened:
        opened.sendall(said)
        assert raw.is_ended(opened)
    assert node.metric("connections_closed_total", reason="no_request") == 1
    _associates_soon(node)


def test_a_long_request_is_read_whole(node: Node) -> None:
    with raw.connection(node.port) as opened:
        opened.sendall(raw.request(2000))
        assert raw.received(opened)[0] == raw.ASSOCIATE_AC


def test_the_silent_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with ExitStack() as silent:
        with listening(tmp_path) as node:
            for _ in range(5):
                silent.enter_context(raw.connection(node.port)).sendall(b"\1")
            half = silent.enter_context(raw.association(node.port))
            half.sendall(raw.pdu(raw.P_DATA, bytes(1000))[:10])
            node.waits_for("connections_waiting", 5)
            started = time.monotonic()
        assert time.monotonic() - started < 2 * SOON
        assert raw.is_ended(half)
