"""The service in little memory, as a process of its own, while strangers ask for much of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from benchmarks.ports import free_port
from tests.app.conftest import wait_until_ready
from tests.app.http.control_group import ControlGroup, control_group

MEBIBYTE = 2**20
# What a control group of this size would end the process at.
LIMIT = 512 * MEBIBYTE
# As docs/security.md computes them for it.
SETTINGS = {
    "MAX_UPLOAD_BYTES": 4 * MEBIBYTE,
    "MAX_BYTES_IN_FLIGHT": 16 * MEBIBYTE,
    "MAX_PIXELS": 2_000_000,
    "MAX_PIXELS_AT_ONCE": 2_000_000,
    "MAX_IN_FLIGHT": 16,
    "MAX_CONNECTIONS": 100,
    "OVERLAY_MAX_SIDE": 512,
}
COMMAND = [sys.executable, "-c", "from app.start import main; main()", "serve"]
RAW = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def group() -> Iterator[ControlGroup | None]:
    with control_group(LIMIT) as made:
        yield made


@pytest.fixture(scope="module")
def service(
    model_root: Path, group: ControlGroup | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A process that serves, and a client of it."""
    port = free_port()
    settings = {"MODEL_STORE": model_root, "PORT": port, **SETTINGS}
    environment = {f"PNEUMOSCOPE_{name}": str(value) for name, value in settings.items()}
    log = tmp_path_factory.mktemp("log") / "log"
    command = group.command(COMMAND) if group else COMMAND
    with (
        log.open("wb") as written,
        subprocess.Popen(
            command, env=os.environ | environment, stdout=written, stderr=written
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        wait_until_ready(client)
        yield process, client
        process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _peak(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def _large() -> bytes:
    """Two megapixels of the format that takes most memory to decode, in some kilobytes."""
    buffer = BytesIO()
    Image.new("RGBA", (1600, 1250), (9, 9, 9, 99)).save(buffer, "WEBP", lossless=True, quality=0)
    return buffer.getvalue()


def _send(connection: socket.socket, head: bytes, more: bytes, times: int) -> None:
    try:
        connection.sendall(head)
        for _ in range(times):
            connection.sendall(more)
    except OSError:
        return


Service = tuple[subprocess.Popen[bytes], httpx.Client]


def _connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), 10)


def _uploads(client: httpx.Client) -> None:
    """Sixty-four of nearly four megabytes at once, none of which is an image."""
    body = bytes(4 * MEBIBYTE - 1000)

    def post(_: int) -> int:
        try:
            return client.post("/predict", content=body, headers=RAW).status_code
        except httpx.TransportError:
            return 0

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(post, range(64))) <= {0, 415, 503}


def _pixels(client: httpx.Client) -> None:
    """Large images in small files, for their overlays."""
    body = _large()

    def post(_: int) -> int:
        return client.post("/explain", content=body, headers=RAW).status_code

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(post, range(64))) <= {200, 422, 503}


def _heads(client: httpx.Client) -> None:
    """Heads without an end."""
    with ExitStack() as stack:
        for more in (b"a: b\r\n" * 20_000, b"a" * 100_000):
            for _ in range(10):
                connection = stack.enter_context(_connect(client))
                _send(connection, b"GET /live HTTP/1.1\r\n", more, 40)


def _unread(client: httpx.Client) -> None:
    """Answers that nobody reads."""
    with ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(_connect(client))
            request = b"GET /swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
            _send(connection, b"", request, 50)
        time.sleep(1)
        assert client.get("/live").is_success


def _chunks(client: httpx.Client) -> None:
    """A body in chunks of a byte, and one of trailers."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    for more in (b"1\r\nx\r\n" * 20_000, b"0\r\n" + b"a: b\r\n" * 20_000):
        with _connect(client) as connection:
            _send(connection, head + b"Transfer-Encoding: chunked\r\n\r\n", more, 20)


ATTACKS = [_uploads, _pixels, _heads, _unread, _chunks]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_the_service_stays_within_its_memory(service: Service, attack: object) -> None:
    process, client = service
    assert callable(attack)

    attack(client)

    assert client.get("/ready").is_success
    assert _peak(process) < LIMIT


def test_a_control_group_lets_it_live_through_all_at_once(
    service: Service, group: ControlGroup | None
) -> None:
    if group is None:
        pytest.skip("no control group can be made here")
    process, client = service
    with ThreadPoolExecutor(2 * len(ATTACKS)) as pool:
        for done in [pool.submit(attack, client) for attack in 2 * ATTACKS]:
            # Whoever has the most connections has some of them closed.
            assert isinstance(done.exception(), httpx.TransportError | None)
    assert process.poll() is None
    assert client.get("/ready").is_success


def test_it_ends_after_all_that(service: Service) -> None:
    process, client = service
    with ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(_connect(client))
            _send(connection, b"", b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n", 500)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
