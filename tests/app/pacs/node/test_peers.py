import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from app.pacs.node import peers
from app.pacs.node.peers import Peers
from app.pacs.node.settings import Peer
from tests.app.pacs import raw
from tests.app.pacs.network import wait_until
from tests.app.pacs.node.scp import listening

KNOWN, NAME = "192.0.2.7", "xray.example"


class NameServer:
    """Answers as it is told, once it may; addresses need none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = [KNOWN]
        self.may_answer = threading.Event()
        self.asked = 0
        self._original = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: str, *rest: Any, **more: Any) -> list[Any]:
        if host != NAME:
            return self._original(host, *rest, **more)
        self.asked += 1
        assert self.may_answer.wait(60)
        if not self.addresses:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in self.addresses]


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    return NameServer(monkeypatch)


@pytest.mark.parametrize(
    ("ae_title", "address", "expected"),
    [
        ("HERE", KNOWN, True),
        ("HERE", f"::ffff:{KNOWN}", True),
        ("HERE", "192.0.2.8", False),
        ("SIX", "2001:db8::1", True),
        ("SIX", KNOWN, False),
        ("OTHER", KNOWN, False),
    ],
)
def test_titles_and_addresses_belong_together(ae_title: str, address: str, expected: bool) -> None:
    peers = Peers([Peer("HERE", KNOWN), Peer("SIX", "2001:0db8:0::1")])
    assert peers.may_send(ae_title, address) == expected


def test_an_address_of_any_peer_may_connect() -> None:
    peers = Peers([Peer("HERE", KNOWN), Peer("THERE", "192.0.2.8")])
    assert peers.may_connect(KNOWN)
    assert peers.may_connect("192.0.2.8")
    assert not peers.may_connect("192.0.2.9")


def test_a_peer_without_a_host_may_be_anywhere() -> None:
    peers = Peers([Peer("HERE", KNOWN), Peer("ANYWHERE", None)])
    assert peers.may_connect("192.0.2.9")
    assert not peers.may_send("HERE", "192.0.2.9")


def test_without_peers_all_may() -> None:
    assert Peers([]).may_connect(KNOWN)
    assert Peers([]).may_send("ANY", KNOWN)


def test_a_name_keeps_its_addresses_while_nobody_knows_it(
    name_server: NameServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(peers, "_SECONDS_BETWEEN_LOOKUPS", 0.01)
    name_server.may_answer.set()
    named = Peers([Peer("XRAY", NAME)])
    with named.looked_up():
        assert named.may_connect(KNOWN)
        name_server.addresses = []
        asked = name_server.asked
        wait_until(lambda: name_server.asked > asked + 3, "it is asked again")
        assert named.may_connect(KNOWN)
        name_server.addresses = ["192.0.2.8"]
        wait_until(lambda: named.may_connect("192.0.2.8"), "the new address is known")
        assert not named.may_connect(KNOWN)
    assert caplog.messages == ["PNEUMOSCOPE_NODE_PEERS: the host xray.example has no address."]


def test_a_name_server_that_hangs_keeps_no_other_peer_waiting(
    tmp_path: Path, name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_FIRST_SECONDS", 0.1)
    named = (Peer("XRAY", NAME), Peer("SENDER", "127.0.0.1"))
    with listening(tmp_path, peers=named) as node:
        with raw.association(node.port):
            assert name_server.asked == 1
        name_server.may_answer.set()


def test_who_is_at_no_peers_address_is_closed_before_anything_is_read(tmp_path: Path) -> None:
    with listening(tmp_path, peers=(Peer("SENDER", "127.0.0.1"),)) as node:
        with raw.connection(node.port, raw.OTHER_HOST) as opened:
            assert opened.recv(1) == b""
        assert node.metric("connections_closed_total", reason="address") == 1
        with raw.association(node.port):
            pass
