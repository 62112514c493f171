"""The port where TLS is spoken: by DCMTK, and by others wrongly, without end or not at all."""

import ctypes
import ctypes.util
import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from app.pacs import tls
from app.pacs.node import lobby
from app.pacs.node.settings import NodeSettings, StorageAddress
from app.pacs.node.tls_socket import TlsSocket
from tests.app.dicom_results import given
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.pacs import dcmtk, raw
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.node.scp import Node, listening

SOON = 3.0


@pytest.fixture
def node(tmp_path: Path, made: Path) -> Iterator[Node]:
    """A node whose peers need a certificate."""
    with _listening(tmp_path, made, tls_client_ca=made / "ca.pem") as node:
        yield node


@pytest.fixture
def open_node(tmp_path: Path, made: Path) -> Iterator[Node]:
    """A node whose peers need none."""
    with _listening(tmp_path, made) as node:
        yield node


@contextmanager
def _listening(folder: Path, made: Path, **settings: Any) -> Iterator[Node]:
    own = {"tls_certificate": made / "server.pem", "tls_key": made / "server.key"}
    with listening(folder, **own, **settings) as node:
        yield node


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An image of many records of TLS."""
    pixels = np.arange(600 * 600, dtype=np.uint16).reshape(600, 600)
    path = tmp_path / "image.dcm"
    path.write_bytes(dicom(pixels, **given.HEADER))
    return path


@contextmanager
def _connection(node: Node, made: Path) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=made / "ca.pem")
    with (
        raw.connection(node.port) as plain,
        context.wrap_socket(plain, server_hostname=LOCALHOST) as opened,
    ):
        yield opened


def _associates_soon(node: Node, made: Path) -> None:
    started = time.monotonic()
    with _connection(node, made) as opened:
        opened.sendall(raw.request())
        assert raw.received(opened)[0] == raw.ASSOCIATE_AC
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_an_image_is_taken_from_whoever_has_a_certificate(
    node: Node, made: Path, file: Path, profile: str
) -> None:
    assert dcmtk.store(node.port, file, *dcmtk.certificate(made, "client"), profile)
    (name,) = node.spool.waiting("received")
    (stored,) = node.folder.rglob(f"{name}*")
    assert dcmread(stored) == dcmread(file)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["+tla", "+cf", "ca.pem"], "peer did not return a certificate"),
        (["+tls", "other.key", "other.pem", "+cf", "ca.pem"], "self-signed certificate"),
    ],
    ids=["none", "wrong"],
)
def test_nobody_else_may_send(
    node: Node,
    made: Path,
    file: Path,
    caplog: pytest.LogCaptureFixture,
    options: list[str],
    said: str,
) -> None:
    paths = [made / option if "." in option else option for option in options]
    assert not dcmtk.store(node.port, file, *paths)
    node.waits_for("connections_closed_total", 1, reason="certificate")
    assert caplog.messages == [f"Closing connections: certificate ({said})."]
    assert not node.spool.waiting("received")


def test_the_node_shows_its_certificate(
    open_node: Node, made: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert dcmtk.echo(open_node.port, "+tla", "+cf", made / "ca.pem")
    assert dcmtk.store(open_node.port, file, "+tla", "+cf", made / "ca.pem")
    assert not dcmtk.echo(open_node.port, "+tla", "+cf", made / "other.pem")
    open_node.waits_for("connections_closed_total", 1, reason="handshake")
    assert caplog.messages == ["Closing connections: handshake (tlsv1 alert unknown ca)."]


def test_without_tls_nothing_is_taken_and_nothing_lost(
    open_node: Node, made: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not dcmtk.store(open_node.port, file)
    open_node.waits_for("connections_closed_total", 1, reason="without_tls")
    assert caplog.messages == ["Closing connections: without_tls."]
    assert not open_node.spool.waiting("received")
    assert dcmtk.store(open_node.port, file, "+tla", "+cf", made / "ca.pem")
    assert open_node.spool.depth("received") == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
    ],
    ids=["TLS 1.1", "CBC"],
)
def test_what_bcp_195_advises_against_is_refused(
    open_node: Node, version: ssl.TLSVersion, ciphers: str
) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    with raw.connection(open_node.port) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
    open_node.waits_for("connections_closed_total", 1, reason="handshake")


def test_the_silent_keep_nobody_waiting_and_are_closed(
    open_node: Node, made: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as silent:
        for said in (b"", b"\x16", _hello()[:50]):
            for _ in range(10):
                silent.enter_context(raw.connection(open_node.port)).sendall(said)
        # The handshake is done, and there is no request.
        for _ in range(10):
            silent.enter_context(_connection(open_node, made))
        open_node.waits_for("connections_waiting", 40)
        _associates_soon(open_node, made)
        monkeypatch.setattr(lobby, "REQUEST_SECONDS", 0.5)
        # The lobby looks at the time whenever something comes.
        raw.connection(open_node.port).__enter__().close()
        open_node.waits_for("connections_closed_total", 40, reason="silent")
    assert caplog.messages[0] == "Closing connections: silent."


def _hello() -> bytes:
    """What a client of TLS says first."""
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="node")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def test_of_too_many_the_oldest_goes(open_node: Node) -> None:
    with ExitStack() as silent:
        many = [
            silent.enter_context(raw.connection(open_node.port))
            for _ in range(lobby.MOST_WAITING + 5)
        ]
        for connection in many[:5]:
            assert connection.recv(1) == b""
        open_node.waits_for("connections_closed_total", 5, reason="too_many")
        open_node.waits_for("connections_waiting", lobby.MOST_WAITING)


def test_a_request_in_records_of_a_byte_is_answered(open_node: Node, made: Path) -> None:
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=made / "ca.pem")
    client = context.wrap_bio(received, sent, server_hostname=LOCALHOST)
    with raw.connection(open_node.port) as opened:
        while True:
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
                break
            # A byte at a time, as the network may have it.
            for byte in sent.read():
                opened.sendall(bytes([byte]))
            received.write(opened.recv(2**16))
        for byte in raw.request():
            client.write(bytes([byte]))
        opened.sendall(sent.read())
        answer = b""
        while not answer:
            received.write(opened.recv(2**16))
            with suppress(ssl.SSLWantReadError):
                answer = client.read(1)
    assert answer[0] == raw.ASSOCIATE_AC


def test_a_call_reads_once_whatever_comes(made: Path) -> None:
    context = tls.accepting(
        NodeSettings(
            destination=StorageAddress("PACS", LOCALHOST, 1),
            spool=made,
            tls_certificate=made / "server.pem",
            tls_key=made / "server.key",
        )
    )
    assert context
    with socket.create_server((LOCALHOST, 0)) as port:
        other = socket.create_connection(port.getsockname())
        plain, _ = port.accept()
    plain.setblocking(False)
    with TlsSocket(plain, context) as served, other:
        client = _KeyUpdates(other)
        while not client.is_connected():
            with suppress(BlockingIOError):
                served.recv(1)
        client.send(4000)
        waiting = [_unread(served)]
        while waiting[-1]:
            with pytest.raises(BlockingIOError):
                served.recv(1)
            waiting.append(_unread(served))
    assert waiting[0] > 2 * 2**14
    assert all(before - after <= 2**14 for before, after in pairwise(waiting))


def _unread(opened: socket.socket) -> int:
    """The bytes that the kernel has for it."""
    (number,) = struct.unpack("i", fcntl.ioctl(opened, termios.FIONREAD, bytes(4)))
    return int(number)


class _KeyUpdates:
    """A client that sends TLS 1.3's KeyUpdate again and again, for which Python has no call."""

    def __init__(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        self._ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(self._ssl, name).restype = ctypes.c_void_p
        context = self._ssl.SSL_CTX_new(ctypes.c_void_p(self._ssl.TLS_client_method()))
        self._client = ctypes.c_void_p(self._ssl.SSL_new(ctypes.c_void_p(context)))
        self._ssl.SSL_set_fd(self._client, opened.fileno())

    def is_connected(self) -> bool:
        """Go on with the handshake; whether it is done."""
        return bool(self._ssl.SSL_connect(self._client) == 1)

    def send(self, times: int) -> None:
        for _ in range(times):
            assert self._ssl.SSL_key_update(self._client, 0) == 1
            assert self._ssl.SSL_do_handshake(self._client) == 1
