"""Debian's Orthanc as a process of its own, on the configuration that compose uses."""

import os
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset, dcmread

from benchmarks.ports import free_port
from tests.app.pacs.network import LOCALHOST, wait_until

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "orthanc"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "pneumoscope", "of the tests"


def probability_of(report: Dataset) -> float:
    """That of pneumonia, which a report measures once."""
    document: Any = ComprehensiveSR.from_dataset(report)
    [group] = document.content.get_image_measurement_groups()
    [measurement] = group.get_measurements()
    return float(measurement.value)


class Orthanc:
    """A PACS with a database of its own, and a client of its REST interface."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.node_port = folder, free_port()
        self.port, self.http_port = free_port(), free_port()
        self.url = f"http://{LOCALHOST}:{self.http_port}/dicom-web"
        self.rest = self._client()
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = os.environ | {
            "ORTHANC_STORAGE": str(folder / "db"),
            "ORTHANC_PASSWORD": PASSWORD,
            "PNEUMOSCOPE_NODE_HOST": LOCALHOST,
            "PNEUMOSCOPE_NODE_PORT": str(self.node_port),
        }

    def start(self) -> None:
        """Start it, or skip the test where it is not installed."""
        program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None or not PLUGIN.exists():
            pytest.skip("Debian's packages orthanc and orthanc-dicomweb are not installed")
        # All files of the folder are read; compose leaves the ports as they are in a container.
        shutil.copytree(CONFIGURATION, self.folder / "etc", dirs_exist_ok=True)
        ports = f'{{"HttpPort": {self.http_port}, "DicomPort": {self.port}}}'
        (self.folder / "etc" / "ports.json").write_text(ports)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, self.folder / "etc"], env=self.environment, stdout=log, stderr=log
            )
        wait_until(self._answers, "Orthanc answers")

    def stop(self) -> None:
        """Have it end by itself."""
        if self.process is None:
            return
        # It waits for connections that are open.
        self.rest.close()
        self.process.terminate()
        try:
            self.process.wait(120)
        finally:
            self.process.kill()

    def restart(self) -> None:
        """Have it end, and start it again on the same database."""
        self.stop()
        self.rest = self._client()
        self.start()

    def upload(self, data: bytes) -> None:
        self.rest.post("/instances", content=data).raise_for_status()

    def get(self, path: str) -> Any:
        """What the REST interface says, parsed."""
        return self.rest.get(path).raise_for_status().json()

    def files(self) -> list[bytes]:
        """All instances, as they are stored."""
        return [self.rest.get(f"/instances/{name}/file").content for name in self.get("/instances")]

    def datasets(self, modality: str) -> list[Dataset]:
        """The instances of a modality."""
        parsed = [dcmread(BytesIO(data)) for data in self.files()]
        return [dataset for dataset in parsed if dataset.Modality == modality]

    def count(self) -> int:
        return len(self.get("/instances"))

    def failed_jobs(self) -> int:
        return [job["State"] for job in self.get("/jobs?expand")].count("Failure")

    def _client(self) -> httpx.Client:
        url = f"http://{LOCALHOST}:{self.http_port}"
        # Orthanc closes a connection that was idle for a moment, perhaps as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(
            base_url=url, auth=(USER, PASSWORD), trust_env=False, timeout=60, limits=limits
        )

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.rest.get("/system").is_success
        except httpx.TransportError:
            return False
