"""Orthanc forwards radiographs to the node, and gets their results, whatever is killed between."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from app.main import create_app
from app.settings import Settings
from benchmarks.ports import free_port
from tests.app.conftest import serving, wait_until_ready
from tests.app.pacs.network import LOCALHOST, wait_until
from tests.app.pacs.orthanc import Orthanc, probability_of
from tests.app.pacs.web.process import radiograph

NODE = [sys.executable, "-c", "from app.cli import cli; cli()", "dicom-node"]
IMAGES = 10
# Orthanc waits 5 seconds between two attempts, and the node starts within some.
SECONDS = 300


class Node:
    """A node whose queue outlives its processes."""

    def __init__(self, orthanc: Orthanc, model_root: Path, folder: Path) -> None:
        self.log = folder / "node.log"
        self.environment = os.environ | {
            "PNEUMOSCOPE_ENGINE": "openvino",
            "PNEUMOSCOPE_MODEL_STORE": str(model_root),
            "PNEUMOSCOPE_NODE_PORT": str(orthanc.node_port),
            "PNEUMOSCOPE_NODE_METRICS_PORT": str(free_port()),
            "PNEUMOSCOPE_NODE_SPOOL": str(folder / "spool"),
            "PNEUMOSCOPE_NODE_DESTINATION": f"ORTHANC@{LOCALHOST}:{orthanc.port}",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """A process of the node, which is killed at the end as by a power cut."""
        with (
            self.log.open("ab") as log,
            subprocess.Popen(NODE, env=self.environment, stdout=log, stderr=log) as process,
        ):
            try:
                yield
                assert process.poll() is None, self.log.read_text()
            finally:
                process.kill()


@pytest.fixture
def node(orthanc: Orthanc, model_root: Path, tmp_path: Path) -> Node:
    return Node(orthanc, model_root, tmp_path)


def _send(orthanc: Orthanc, folder: Path) -> dict[str, bytes]:
    """Send ten radiographs of ten studies to Orthanc by storescu: the files, by study."""
    if shutil.which("storescu") is None:
        pytest.skip("Debian's package dcmtk is not installed")
    files = {}
    (folder / "images").mkdir()
    for seed in range(IMAGES):
        data = radiograph(seed, Modality=("CR", "DX")[seed % 2])
        files[str(dcmread(BytesIO(data)).StudyInstanceUID)] = data
        (folder / "images" / f"{seed}.dcm").write_bytes(data)
    command = ["storescu", "-aec", "ORTHANC", "+sd", LOCALHOST, str(orthanc.port)]
    subprocess.run([*command, folder / "images"], check=True, timeout=SECONDS)
    return files


def _of_predict(settings: Settings, files: dict[str, bytes]) -> dict[str, float]:
    """What `/predict` answers, by study."""
    with serving(create_app(settings)) as client:
        wait_until_ready(client)
        return {
            study: client.post("/predict", files={"file": data}).json()["probability"]
            for study, data in files.items()
        }


def _by_study(datasets: list[Dataset]) -> dict[str, Dataset]:
    return {str(dataset.StudyInstanceUID): dataset for dataset in datasets}


def test_every_study_gets_its_results_though_the_node_is_killed(
    orthanc: Orthanc, node: Node, settings: Settings, tmp_path: Path
) -> None:
    with node.running():
        files = _send(orthanc, tmp_path)
        wait_until(lambda: orthanc.count() >= IMAGES + 3, "some results", SECONDS)
    with node.running():
        wait_until(lambda: orthanc.count() >= 3 * IMAGES, "all results", SECONDS)
    expected = _of_predict(settings, files)

    overlays, reports = orthanc.datasets("OT"), orthanc.datasets("SR")
    assert len(overlays) == len(reports) == IMAGES
    assert _by_study(overlays).keys() == files.keys()
    found = {study: probability_of(report) for study, report in _by_study(reports).items()}
    assert found == pytest.approx(expected, abs=1e-6)
    assert orthanc.count() == 3 * IMAGES


def test_what_comes_while_the_node_is_down_is_forwarded_later(
    orthanc: Orthanc, node: Node, tmp_path: Path
) -> None:
    files = _send(orthanc, tmp_path)
    wait_until(lambda: orthanc.failed_jobs() == IMAGES, "forwarding fails", SECONDS)
    orthanc.restart()
    with node.running():
        wait_until(lambda: orthanc.count() >= 3 * IMAGES, "all results", SECONDS)

    assert _by_study(orthanc.datasets("SR")).keys() == files.keys()
    assert orthanc.count() == 3 * IMAGES
