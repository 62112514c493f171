"""HTTPS by the command itself, with certificates of a test's own authority."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import CertificateError
from app.http import tls
from app.http.connections import MOST_PIPELINED
from app.settings import Settings
from benchmarks.ports import free_port
from tests.app import certificates

COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()", "serve"]
pytestmark = certificates.needs_openssl


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls.options(Settings()) == {}


def test_a_file_may_hold_the_key_too(made: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes((made / "server.pem").read_bytes() + (made / "server.key").read_bytes())

    assert tls.options(Settings(tls_certificate=both))["ssl_certfile"] == both


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tls_certificate": None}, "PNEUMOSCOPE_TLS_KEY needs PNEUMOSCOPE_TLS_CERTIFICATE."),
        (
            {"tls_certificate": None, "tls_key": None, "tls_client_ca": "ca.pem"},
            "PNEUMOSCOPE_TLS_CLIENT_CA needs PNEUMOSCOPE_TLS_CERTIFICATE.",
        ),
        ({"tls_key": "other.key"}, "PNEUMOSCOPE_TLS_KEY is the key of another certificate."),
        ({"tls_key": "server.pem"}, "hold no certificate"),
        ({"tls_key": "locked.key"}, "hold no certificate"),
        ({"tls_key": None}, "hold no certificate"),
        ({"tls_key": "none"}, "PNEUMOSCOPE_TLS_KEY cannot be read: No such file"),
        ({"tls_certificate": "."}, "PNEUMOSCOPE_TLS_CERTIFICATE cannot be read: Is a directory."),
        ({"tls_client_ca": "none"}, "PNEUMOSCOPE_TLS_CLIENT_CA cannot be read: No such file"),
        ({"tls_client_ca": "ca.key"}, "PNEUMOSCOPE_TLS_CLIENT_CA holds no certificate (PEM)."),
    ],
)
def test_a_wrong_file_is_named(made: Path, changes: dict[str, str | None], sentence: str) -> None:
    lock = ["openssl", "ec", "-in", "server.key", "-aes128", "-passout", "pass:x"]
    subprocess.run([*lock, "-out", "locked.key"], cwd=made, check=True, capture_output=True)
    own = {"tls_certificate": made / "server.pem", "tls_key": made / "server.key"}
    paths = {name: value and made / value for name, value in changes.items()}

    with pytest.raises(CertificateError) as error:
        tls.options(Settings.model_validate(own | paths))
    assert sentence in str(error.value)


def test_the_start_ends_with_the_sentence(made: Path, model_root: Path) -> None:
    environment = os.environ | {
        "PNEUMOSCOPE_MODEL_STORE": str(model_root),
        "PNEUMOSCOPE_TLS_CERTIFICATE": str(made / "server.pem"),
        "PNEUMOSCOPE_TLS_KEY": str(made / "other.key"),
    }
    ended = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=120
    )

    assert ended.returncode == 1
    assert ended.stderr == "pneumoscope: PNEUMOSCOPE_TLS_KEY is the key of another certificate.\n"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def trusting(made: Path) -> ssl.SSLContext:
    """What a client knows that has a certificate."""
    context = ssl.create_default_context(cafile=made / "ca.pem")
    context.load_cert_chain(made / "client.pem", made / "client.key")
    return context


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def client(
    made: Path, model_root: Path, port: int, trusting: ssl.SSLContext, log: Path
) -> Iterator[httpx.Client]:
    """A client with a certificate of a service that asks for one."""
    environment = os.environ | {
        "PNEUMOSCOPE_MODEL_STORE": str(model_root),
        "PNEUMOSCOPE_PORT": str(port),
        "PNEUMOSCOPE_MAX_CONNECTIONS": "8",
        "PNEUMOSCOPE_HEARTBEAT": str(log.parent / "alive"),
        "PNEUMOSCOPE_TLS_CERTIFICATE": str(made / "server.pem"),
        "PNEUMOSCOPE_TLS_KEY": str(made / "server.key"),
        "PNEUMOSCOPE_TLS_CLIENT_CA": str(made / "ca.pem"),
    }
    url = f"https://127.0.0.1:{port}"
    with (
        log.open("w") as file,
        subprocess.Popen(COMMAND, env=environment, stderr=file, stdout=file) as process,
        httpx.Client(base_url=url, trust_env=False, timeout=60, verify=trusting) as client,
    ):
        try:
            while not _is_ready(client):
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            yield client
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            assert "Traceback" not in log.read_text()
        finally:
            process.kill()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").is_success
    except httpx.TransportError:
        return False


def _connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), 30)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _all_of(connection: ssl.SSLSocket) -> bytes:
    received = b""
    try:
        while data := connection.recv(2**16):
            received += data
    except (ConnectionResetError, ssl.SSLError):
        pass
    return received


def test_an_image_is_read(client: httpx.Client, xray: bytes, log: Path) -> None:
    assert client.post("/predict", files={"file": xray}).json()["label"] == "PNEUMONIA"
    # What the health check of the image looks at, every 5 s.
    deadline = time.monotonic() + 60
    while not (log.parent / "alive").exists():
        assert time.monotonic() < deadline, "there is no heartbeat"
        time.sleep(0.1)


@pytest.mark.parametrize("certificate", [None, "other"])
def test_a_client_needs_a_certificate(
    client: httpx.Client, made: Path, port: int, certificate: str | None
) -> None:
    context = ssl.create_default_context(cafile=made / "ca.pem")
    if certificate:
        context.load_cert_chain(made / f"{certificate}.pem", made / f"{certificate}.key")

    # With TLS 1.3, a client learns only later that the service does not go on.
    with _connect(port, context) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _all_of(connection) == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_there_is_neither_http_nor_old_tls(
    client: httpx.Client, port: int, trusting: ssl.SSLContext
) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/live", trust_env=False)
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        _connect(port, old)


def test_heads_are_bounded(client: httpx.Client, port: int, trusting: ssl.SSLContext) -> None:
    started = time.monotonic()
    with _connect(port, trusting) as connection:
        connection.sendall(b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = _all_of(connection)

    assert answer.startswith(b"HTTP/1.1 414 ")
    assert answer.endswith(b"}")
    assert time.monotonic() - started < 30


def test_requests_behind_one_are_bounded(
    client: httpx.Client, port: int, trusting: ssl.SSLContext
) -> None:
    with _connect(port, trusting) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n" * 60)
        answer = _all_of(connection)

    assert 1 < answer.count(b"HTTP/1.1 200 OK") <= MOST_PIPELINED + 1


def test_connections_are_bounded(client: httpx.Client, port: int, trusting: ssl.SSLContext) -> None:
    connections = [_connect(port, trusting) for _ in range(12)]
    try:
        # What was closed is those that had waited longest.
        for connection in connections[:4]:
            assert _all_of(connection) == b""
        connections[-1].sendall(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connections[-1].recv(4096).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in connections:
            connection.close()


def test_handshakes_are_bounded(client: httpx.Client, port: int) -> None:
    before = _closed(client, "too_many"), _closed(client, "slow")
    silent = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(12)]
    try:
        for connection in silent[:4]:
            assert _is_reset(connection)
        assert _closed(client, "too_many") > before[0] + 3
        # Those that are left have 10 s.
        started = time.monotonic()
        assert _is_reset(silent[-1])
        assert time.monotonic() - started < 20
        assert _closed(client, "slow") > before[1]
    finally:
        for connection in silent:
            connection.close()


def test_a_request_may_come_with_the_end_of_the_handshake(
    client: httpx.Client, port: int, trusting: ssl.SSLContext
) -> None:
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = trusting.wrap_bio(received, sent, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        while not _is_done(connection):
            plain.sendall(sent.read())
            received.write(plain.recv(2**16))
        connection.write(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.sendall(sent.read())

        answer = b""
        while not answer:
            received.write(plain.recv(2**16))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer = connection.read()
    assert answer.startswith(b"HTTP/1.1 200 ")


def _closed(client: httpx.Client, reason: str) -> float:
    name = f'pneumoscope_connections_closed_total{{reason="{reason}"}} '
    [line] = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return float(line.removeprefix(name))


def _is_reset(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def _is_done(connection: ssl.SSLObject) -> bool:
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def test_a_silent_connection_is_closed(
    client: httpx.Client, port: int, trusting: ssl.SSLContext
) -> None:
    with _connect(port, trusting) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\n")
        assert _all_of(connection) == b""
