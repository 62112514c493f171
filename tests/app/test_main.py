"""The command `pneumoscope serve` and the ASGI entry, each as a process of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.ports import free_port
from tests.app.conftest import wait_until_ready

COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()", "serve"]


def _environment(**settings: object) -> dict[str, str]:
    return os.environ | {f"PNEUMOSCOPE_{k.upper()}": str(v) for k, v in settings.items()}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def process(model_root: Path, port: int, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            COMMAND,
            env=_environment(model_store=model_root, port=port),
            stderr=log,
            stdout=log,
            text=True,
        ) as process,
    ):
        yield process
        process.kill()


@pytest.fixture
def remote(process: subprocess.Popen[str], port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        while not _answers(client):
            assert process.poll() is None, "the service ended"
            time.sleep(0.05)
        wait_until_ready(client)
        yield client


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/live").is_success
    except httpx.ConnectError:
        return False


def _megabytes(process: subprocess.Popen[str], key: str) -> float:
    """`VmRSS` or its peak `VmHWM`."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return float(status.split(f"{key}:")[1].split()[0]) / 1024


def test_serves_on_openvino_without_importing_tensorflow(
    process: subprocess.Popen[str], remote: httpx.Client, xray: bytes
) -> None:
    body = remote.post("/predict", files={"file": xray}).json()

    assert body["model"]["engine"] == "openvino"
    assert "/site-packages/tensorflow/" not in Path(f"/proc/{process.pid}/maps").read_text()


def test_ends_cleanly_when_asked(
    process: subprocess.Popen[str], remote: httpx.Client, tmp_path: Path
) -> None:
    process.send_signal(signal.SIGTERM)

    process.wait(10)
    log = (tmp_path / "log").read_text()
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def test_a_huge_upload_is_refused_while_it_streams(
    process: subprocess.Popen[str], remote: httpx.Client, port: int, xray: bytes
) -> None:
    remote.post("/predict", files={"file": xray})
    before = _megabytes(process, "VmHWM")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"

    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.settimeout(0.01)
        while not answer and sent < 200:
            connection.settimeout(30)
            connection.sendall(chunk)
            sent += 1
            connection.settimeout(0.01)
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                continue

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert 32 <= sent < 40
    assert _megabytes(process, "VmHWM") - before < 100
    assert remote.get("/ready").status_code == httpx.codes.OK


def test_the_log_holds_nothing_that_a_client_sent(
    remote: httpx.Client, tmp_path: Path, xray: bytes
) -> None:
    remote.post("/predict?patient=JANE", files={"file": ("JANE.png", xray)})
    # An id of another form than ids have is none.
    remote.get("/JANE", headers={"User-Agent": "JANE", "X-Request-ID": "JANE DOE"})

    log = (tmp_path / "log").read_text()
    assert " /predict 200 " in log
    assert "JANE" not in log


@contextmanager
def _uvicorn(model_root: Path, port: int, log: Path, *options: str) -> Iterator[httpx.Client]:
    """A client of `uvicorn app.main:app`."""
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), *options]
    url = f"http://127.0.0.1:{port}"
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, env=_environment(model_store=model_root), stderr=file, stdout=file
        ) as process,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        try:
            while not _answers(client):
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            wait_until_ready(client)
            yield client
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize("options", [[], ["--log-level", "trace"], ["--http", "h11"]])
def test_uvicorn_logs_nothing_that_a_client_sent(
    model_root: Path, port: int, tmp_path: Path, xray: bytes, options: list[str]
) -> None:
    web_socket = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
    }
    with _uvicorn(model_root, port, tmp_path / "log", *options) as client:
        client.post("/predict?patient=JANE", files={"file": ("JANE.png", xray)})
        client.get("/JANE", headers={"User-Agent": "JANE"})
        client.get("/JANE?patient=JANE", headers=web_socket)
        client.get("/live?JANE", headers=web_socket)

    log = (tmp_path / "log").read_text()
    assert "Application startup complete" in log
    assert "Traceback" not in log
    assert "JANE" not in log


def test_workers_of_uvicorn_are_refused_once(model_root: Path, port: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--workers", "2"]
    ended = subprocess.run(
        [*command, "--port", str(port)],
        env=_environment(model_store=model_root),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    told = "pneumoscope: a server's workers are not for it; start one process on each of"
    assert 1 <= ended.stderr.count(told) <= 2
    assert "stopping the parent process" in ended.stderr


def _remove(version: Path) -> None:
    shutil.rmtree(version)


def _change_a_byte(version: Path) -> None:
    with (version / "saved_model.pb").open("ab") as file:
        file.write(b"\0")


def _empty_the_manifest(version: Path) -> None:
    (version / "model.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_remove, "There is no model 'pneumonia' in the model store"),
        (_change_a_byte, "does not match the SHA-256 in its manifest."),
        (_empty_the_manifest, "is invalid at name: Field required."),
    ],
)
@pytest.mark.parametrize(
    "command", [COMMAND, [sys.executable, "-m", "uvicorn", "app.main:app"]], ids=["cli", "uvicorn"]
)
def test_a_model_that_cannot_be_served_is_one_sentence(
    model_root: Path, tmp_path: Path, spoil: object, sentence: str, command: list[str]
) -> None:
    shutil.copytree(model_root, tmp_path / "store")
    assert callable(spoil)
    spoil(tmp_path / "store" / "pneumonia" / "1")

    ended = subprocess.run(
        command,
        env=_environment(model_store=tmp_path / "store", port=free_port()),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_setting_that_cannot_be_is_named() -> None:
    ended = subprocess.run(
        COMMAND,
        env=_environment(port=70_000),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("pneumoscope: PNEUMOSCOPE_PORT: ")
    assert "70000" not in ended.stderr


def test_a_misspelt_setting_is_named() -> None:
    ended = subprocess.run(
        COMMAND,
        env=_environment(max_upload_byte="SECRET"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        "pneumoscope: PNEUMOSCOPE_MAX_UPLOAD_BYTE is no setting. "
        "Did you mean PNEUMOSCOPE_MAX_UPLOAD_BYTES?\n"
    )
