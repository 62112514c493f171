"""What others start with a folder in and a folder out: mercure, MONAI Deploy and XNAT.

Their own servers are not here. Each command is run as they run it, as a process and in a container.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from benchmarks.ports import free_port
from tests.app.dicom_results import given
from tests.app.pacs.network import LOCALHOST, wait_until
from tests.deploy.engine import Engine

DEPLOY = Path(__file__).parents[2] / "deploy"
MERCURE, MONAI = DEPLOY / "mercure/docker-entrypoint.sh", DEPLOY / "monai/run.sh"
XNAT = json.loads((DEPLOY / "xnat/command.json").read_text())
APP, PACKAGE = (
    json.loads((DEPLOY / "monai" / name).read_text()) for name in ("app.json", "pkg.json")
)
# As mercure names the files of a series, and what it puts beside them.
SERIES = "1.2.840.1#1.2.840.1.1"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A series as it lies there, and a folder for what comes out."""
    found, made = tmp_path / "in", tmp_path / "out"
    found.mkdir()
    made.mkdir()
    # Whoever the container runs as.
    made.chmod(0o777)
    (found / f"{SERIES}.dcm").write_bytes(given.source_file())
    (found / f"{SERIES}.tags").write_text("{}")
    (found / "task.json").write_text('{"process": {"settings": {}}}')
    return found, made


Run = Callable[..., str]


@pytest.fixture
def run(model_root: Path, tmp_path: Path) -> Run:
    """Run a command with an environment as a container has it, and give what it says."""

    def made(*command: str | Path, **variables: Path) -> str:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "PNEUMOSCOPE_MODEL_STORE": str(model_root),
            "PNEUMOSCOPE_ENGINE": "openvino",
            **{name: str(value) for name, value in variables.items()},
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return made


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOCALHOST, port)) == 0


def _suffixes(folder: Path) -> list[str]:
    """What the files are called behind the image's SHA-256."""
    return sorted(path.name.partition("-")[2] or path.name for path in folder.iterdir())


def test_mercure_finds_what_it_sends_on(
    folders: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    found, made = folders
    told = run(MERCURE, MERCURE_IN_DIR=found, MERCURE_OUT_DIR=made)
    assert "3 of 3 files" in told
    assert _suffixes(made) == ["overlay.dcm", "report.dcm"]

    if not shutil.which("dcmsend") or not shutil.which("storescp"):
        pytest.skip("DCMTK, by which mercure sends, is not installed")
    received, port = tmp_path / "received", free_port()
    received.mkdir()
    with subprocess.Popen(["storescp", "-od", received, str(port)]) as peer:
        wait_until(lambda: _listens(port), "storescp", 30)
        # mercure's own command line.
        sent = ["dcmsend", LOCALHOST, str(port), "+sd", str(made), "-aet", "MERCURE"]
        sent += ["-aec", "PACS", "-nuc", "+sp", "*.dcm", "-to", "60"]
        sent += ["+crf", str(tmp_path / "sent.txt")]
        status = subprocess.run(sent, check=False).returncode
        peer.terminate()
    assert status == 0
    assert {dcmread(path).StudyInstanceUID for path in received.iterdir()} == {given.STUDY}
    assert len(list(received.iterdir())) == 2


def test_a_monai_package_reads_its_input_into_its_output(
    folders: tuple[Path, Path], run: Run
) -> None:
    found, made = folders
    run(MONAI, HOLOSCAN_INPUT_PATH=found, HOLOSCAN_OUTPUT_PATH=made)
    assert _suffixes(made) == ["overlay.dcm", "report.dcm", "results.jsonl"]


def test_the_manifests_of_the_monai_package_agree_with_it() -> None:
    """As `holoscan run` mounts its folders, and the specification of the package asks."""
    built = (DEPLOY / "monai/Dockerfile").read_text()
    where = Path(APP["workingDirectory"])
    for name in ("input", "output"):
        path = str(where / APP[name]["path"])
        assert APP["environment"][f"HOLOSCAN_{name.upper()}_PATH"] == path
        assert f"HOLOSCAN_{name.upper()}_PATH={path}" in built
    assert f"WORKDIR {where}\n" in built
    assert f'ENTRYPOINT ["{APP["command"]}"]' in built
    assert APP["command"] == f"{PACKAGE['applicationRoot']}{MONAI.name}"


def test_xnat_mounts_what_its_command_names(folders: tuple[Path, Path], run: Run) -> None:
    paths = {mount["name"]: mount["path"] for mount in XNAT["mounts"]}
    mounted = dict(zip((paths["in"], paths["out"]), map(str, folders), strict=True))
    command = XNAT["command-line"]
    for path, folder in mounted.items():
        command = command.replace(path, folder)
    run(*shlex.split(command))
    assert {"overlay.dcm", "report.dcm", "results.csv"} < set(_suffixes(folders[1]))
    (wrapper,) = XNAT["xnat"]
    assert [one["provides-files-for-command-mount"] for one in wrapper["derived-inputs"]] == ["in"]
    assert [output["mount"] for output in XNAT["outputs"]] == ["out"]


@pytest.mark.docker
@pytest.mark.parametrize("platform", ["mercure", "monai", "xnat"])
def test_the_image_does_it_in_a_container(
    engine: Engine, image: str, folders: tuple[Path, Path], platform: str
) -> None:
    where = {
        "mercure": ("/data", "/output"),
        "monai": ("/var/holoscan/input", "/var/holoscan/output"),
        "xnat": ("/input", "/output"),
    }[platform]
    mounts = [f"--volume={folder}:{path}" for folder, path in zip(folders, where, strict=True)]
    variables = ["--env=PNEUMOSCOPE_UNSUITABLE=warn"]
    if platform == "mercure":
        variables += ["--env=MERCURE_IN_DIR=/data", "--env=MERCURE_OUT_DIR=/output"]
    if platform != "xnat":
        built = f"pneumoscope-{platform}"
        engine.docker("build", "--build-arg", f"IMAGE={image}", "-t", built, DEPLOY / platform)
    options = ["--rm", "--network=none", "--user=54321:0", *mounts, *variables]
    if platform == "xnat":
        engine.docker("run", *options, image, *shlex.split(XNAT["command-line"]))
    else:
        engine.docker("run", *options, built)
    if platform == "monai":
        assert json.loads(engine.docker("run", *options, built, "show", "pkg")) == PACKAGE

    assert {"overlay.dcm", "report.dcm"} <= set(_suffixes(folders[1]))
