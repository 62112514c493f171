"""The wheel by itself: built, installed beside nothing of the checkout, and served from."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from benchmarks.ports import free_port
from tests import synthetic

ROOT = Path(__file__).parents[1]
SECONDS = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was installed in; what it depends on is this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("app", "training", "model_store"):
        ignored = shutil.ignore_patterns("__pycache__", "pneumonia")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def environment(installed: Path, **settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), **settings}


def command(installed: Path, *arguments: str) -> list[str]:
    return [str(installed / "bin" / "pneumoscope"), *arguments]


def test_the_wheel_has_the_templates_of_reports(installed: Path) -> None:
    folder = Path("training/evaluation/templates")
    shipped, here = ({p.name for p in (at / folder).iterdir()} for at in (installed, ROOT))
    assert shipped == here


def test_without_a_model_the_error_names_the_setting(installed: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        command(installed, "serve"),
        cwd=tmp_path,
        env=environment(installed),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert str(installed) in ended.stderr
    assert "PNEUMOSCOPE_MODEL_STORE" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_with_a_model_beside_it_the_wheel_serves(
    installed: Path, model_root: Path, tmp_path: Path
) -> None:
    port = free_port()
    settings = environment(
        installed,
        PNEUMOSCOPE_MODEL_STORE=str(tmp_path / "store"),
        PNEUMOSCOPE_PORT=str(port),
        PNEUMOSCOPE_ENGINE="openvino",
    )
    put = command(installed, "model", "install", str(model_root / "pneumonia" / "1"))
    subprocess.run(put, cwd=tmp_path, env=settings, check=True)
    with subprocess.Popen(command(installed, "serve"), cwd=tmp_path, env=settings) as serving:
        try:
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}")
            wait_until_ready(client)
            file = {"file": synthetic.encode(synthetic.chest(1, pneumonia=True))}
            answer = client.post("/predict", files=file)
            assert client.get("/docs").status_code == 200
        finally:
            serving.terminate()
    assert answer.json()["label"] == "PNEUMONIA", answer.text


def wait_until_ready(client: httpx.Client) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the wheel did not get ready")
