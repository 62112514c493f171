"""docker-compose.yml's profile `pacs`: an X-ray that goes into Orthanc gets its results."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from tests.deploy.engine import ROOT, Container, Engine

pytestmark = pytest.mark.docker

PASSWORD = "of the tests"  # noqa: S105
LEADER = "pneumoscope"
SERVICES = ("pneumoscope", "dicom-node", "orthanc")
# The X-ray's own, the overlay's and the report's.
SERIES = 3


class Compose:
    """The project's file, but for its network: this engine has no bridge, so all share one."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._file = engine, folder / "compose.yml"
        self._environment = engine.environment | {"ORTHANC_PASSWORD": PASSWORD}
        project = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), "--profile", "pacs"]
        written: dict[str, Any] = yaml.safe_load(self._run([*project, "config"]))
        services = {name: written["services"][name] for name in SERVICES}
        for name, service in services.items():
            service.pop("ports", None)
            service.pop("profiles", None)
            service["network_mode"] = "none" if name == LEADER else f"service:{LEADER}"
        services[LEADER]["extra_hosts"] = [f"{name}:127.0.0.1" for name in SERVICES[1:]]
        # The shipped model finds no lungs in drawn chests.
        services["dicom-node"]["environment"]["PNEUMOSCOPE_UNSUITABLE"] = "warn"
        written.pop("networks", None)
        self._file.write_text(yaml.safe_dump(written | {"services": services}))

    @contextmanager
    def up(self) -> Iterator[dict[str, Container]]:
        """Start the services, as containers by name."""
        try:
            self._do("up", "--detach", "--no-build")
            yield {name: Container(self._engine, self._do("ps", "-q", name)) for name in SERVICES}
        finally:
            self._do("down", "--volumes")

    def _do(self, *command: str) -> str:
        return self._run(["docker-compose", "-p", "xray", "-f", str(self._file), *command]).strip()

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@pytest.fixture(scope="module")
def services(
    engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Container]]:
    """They run, and are healthy."""
    assert image
    for program in ("docker-compose", "storescu"):
        if shutil.which(program, path=engine.environment["PATH"]) is None:
            pytest.skip(f"{program} is not installed")
    engine.bring_orthanc()
    with Compose(engine, tmp_path_factory.mktemp("compose")).up() as services:
        for name in ("pneumoscope", "dicom-node"):
            services[name].wait_until_healthy()
        yield services


def test_an_x_ray_has_results_in_its_study(services: dict[str, Container], tmp_path: Path) -> None:
    file = tmp_path / "xray.dcm"
    file.write_bytes(
        dicom(
            synthetic.chest(0),
            StudyInstanceUID="1.2.3",
            SeriesInstanceUID="1.2.3.4",
            PatientID="1",
        )
    )
    orthanc = services["orthanc"]

    orthanc.inside("storescu", "-aec", "ORTHANC", "127.0.0.1", "4242", file)

    deadline = time.monotonic() + 90
    while len(series := _series(orthanc)) < SERIES:
        assert time.monotonic() < deadline, services["dicom-node"].log()
        time.sleep(1)
    assert {one["MainDicomTags"]["Modality"] for one in series} == {"DX", "OT", "SR"}
    assert len({one["ParentStudy"] for one in series}) == 1


def test_nobody_asks_orthanc_without_the_password(services: dict[str, Container]) -> None:
    ask = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8042/system")

    assert services["orthanc"].inside(*ask) == b"401"


def _series(orthanc: Container) -> list[dict[str, Any]]:
    ask = ("curl", "-s", "-u", f"pneumoscope:{PASSWORD}", "http://127.0.0.1:8042/series?expand")
    found: list[dict[str, Any]] = json.loads(orthanc.inside(*ask))
    return found
