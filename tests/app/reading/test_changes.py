"""A process that serves while versions of its model come and go."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.reading.changes import on_hangup
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings
from benchmarks.ports import free_port
from model_store.manifest import FILE_NAME
from model_store.store import read_manifest, use
from tests.app.at_work import at_work
from tests.app.conftest import Scripted
from tests.app.pacs.network import LOCALHOST, wait_until
from tests.app.reading import profiles
from tests.app.reading.versions import release

COMMAND = [sys.executable, "-c", "from app.start import main; main()", "serve"]
# A machine may have much else to do, and loads models last.
SECONDS = 300
DIFFERENCES = "pneumoscope_shadow_difference_count"


@pytest.fixture(scope="module")
def store(model_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2, of which the older one is in use."""
    root = tmp_path_factory.mktemp("versions") / "store"
    shutil.copytree(model_root, root)
    release(root, 2, threshold=0.9999)
    use(root, "pneumonia", 1)
    return root


class Service:
    """A process that serves, and what one asks of it."""

    def __init__(self, process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
        self._process, self._log = process, log
        self.client = client

    def hang_up(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return self._log.read_text()

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """What a metric's samples say: their labels and values."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        found = [sample for family in families for sample in family.samples]
        return [(sample.labels, sample.value) for sample in found if sample.name == name]

    def count(self, name: str, **labels: str) -> float:
        return sum(v for found, v in self.samples(name) if labels.items() <= found.items())

    def changes(self, result: str, role: str = "serving") -> float:
        return self.count("pneumoscope_model_changes_total", role=role, result=result)

    def change(self, result: str) -> None:
        """Hang up, and wait for that result."""
        before = self.changes(result)
        self.hang_up()
        wait_until(lambda: self.changes(result) > before, f"a model is {result}", SECONDS)

    def version(self) -> int:
        return int(self.client.get("/model").json()["version"])


@pytest.fixture(scope="module")
def service(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose shadow is the newest version."""
    port, log = free_port(), tmp_path_factory.mktemp("log") / "log"
    settings = {"MODEL_STORE": store, "PORT": port, "ENGINE": "openvino", "SHADOW": "newest"}
    environment = os.environ | {f"PNEUMOSCOPE_{k}": str(v) for k, v in settings.items()}
    url = f"http://{LOCALHOST}:{port}"
    with (
        log.open("wb") as written,
        subprocess.Popen(COMMAND, env=environment, stderr=written) as process,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        try:
            wait_until(lambda: _is_ready(client), "the service is ready")
            yield Service(process, client, log)
        finally:
            process.terminate()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").is_success
    except httpx.TransportError:
        return False


class Clients:
    """Threads that ask for readings all the time."""

    def __init__(self, service: Service, image: bytes) -> None:
        self._url, self._image = service.client.base_url, image
        self._stop = threading.Event()
        self.answers: list[httpx.Response] = []

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client:
            while not self._stop.is_set():
                self.answers.append(client.post("/predict", files={"file": self._image}))
                # Without it a model that is loaded at the lowest priority would have no time.
                time.sleep(0.03)

    def asking(self, count: int) -> AbstractContextManager[None]:
        return at_work(self._stop, *[self._ask] * count)


def test_versions_come_and_go_without_one_failed_request(
    service: Service, store: Path, xray: bytes
) -> None:
    broken = release(store, 3, threshold=0.5)
    (broken / "saved_model.pb").write_bytes(b"another")
    clients = Clients(service, xray)
    with clients.asking(2):
        for version in (2, 1):
            use(store, "pneumonia", version)
            service.change("changed")
            assert service.version() == version
        service.change("unchanged")
        use(store, "pneumonia", 3)
        service.change("refused")
        assert service.version() == 1
    use(store, "pneumonia", 1)
    shutil.rmtree(broken)

    assert "THE SERVING MODEL WAS REFUSED. The model file" in service.log()
    assert service.count("pneumoscope_model_info", version="1") == 1
    assert {answer.status_code for answer in clients.answers} == {200}
    bodies = [answer.json() for answer in clients.answers]
    labels = {1: "PNEUMONIA", 2: "NORMAL"}
    assert {body["model"]["version"] for body in bodies} == {1, 2}
    assert all(body["label"] == labels[body["model"]["version"]] for body in bodies)


def test_a_shadow_is_seen_in_the_metrics_alone(service: Service, store: Path, xray: bytes) -> None:
    shadows = service.changes("changed", "shadow")
    service.change("unchanged")
    wait_until(lambda: service.changes("changed", "shadow") > shadows, "there is a shadow", SECONDS)
    before = service.count(DIFFERENCES, version="1", shadow="2")
    answer = service.client.post("/predict", files={"file": xray}).json()
    assert answer["model"]["version"] == 1
    wait_until(lambda: service.count(DIFFERENCES) > before, "the shadow has read", SECONDS)
    changed = {"version": "1", "shadow": "2", "from": "PNEUMONIA", "to": "NORMAL"}
    assert service.count("pneumoscope_shadow_changed_labels_total", **changed) > 0
    assert service.count("pneumoscope_shadow_difference_sum") == pytest.approx(0, abs=0.01)

    same = service.changes("unchanged", "shadow")
    use(store, "pneumonia", 2)
    service.change("changed")
    wait_until(lambda: service.changes("unchanged", "shadow") > same, "no shadow is left", SECONDS)
    read = service.count(DIFFERENCES)
    assert service.client.post("/predict", files={"file": xray}).json()["model"]["version"] == 2
    assert service.count(DIFFERENCES) == read
    use(store, "pneumonia", 1)


async def told(metrics: Metrics, result: str) -> None:
    """Hang up this process, and wait for that result."""
    labels = {"role": "serving", "result": result}
    count = partial(metrics.registry.get_sample_value, "pneumoscope_model_changes_total", labels)
    before = count()
    os.kill(os.getpid(), signal.SIGHUP)
    while count() == before:
        await asyncio.sleep(0.01)


def test_a_site_profile_changes_with_its_model(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = (read_manifest(store / "pneumonia" / name / FILE_NAME) for name in ("1", "2"))
    path = tmp_path / "profile.json"
    profiles.write(path, old)
    settings = Settings(model_store=store, engine="openvino", profile=path)
    metrics = Metrics()
    reader = load_reader(settings, metrics)

    async def run() -> None:
        async with reader.running(), on_hangup(settings, reader, metrics):
            await reader.ready()
            use(store, "pneumonia", 2)
            await told(metrics, "refused")
            assert f"The site profile {path} is of pneumonia 1" in caplog.text
            assert reader.model.version == 1
            profile = profiles.write(path, new)
            await told(metrics, "changed")
            assert (reader.model.version, reader.model.profile) == (2, profile)
            profile = profiles.write(path, new, prevalence=0.3)
            await told(metrics, "changed")
            assert reader.model.profile == profile

    asyncio.run(asyncio.wait_for(run(), SECONDS))
    use(store, "pneumonia", 1)


def test_a_version_that_fails_its_trial_does_not_take_over(
    scripted: Scripted, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, metrics = Settings(model_store=store), Metrics()
    reader = load_reader(settings, metrics)

    async def run() -> None:
        async with reader.running(), on_hangup(settings, reader, metrics):
            await reader.ready()
            scripted.value = float("nan")
            use(store, "pneumonia", 2)
            await told(metrics, "refused")

    asyncio.run(asyncio.wait_for(run(), SECONDS))
    use(store, "pneumonia", 1)
    assert "REFUSED. The model's answers to the built-in images are not finite." in caplog.text
    assert reader.model.version == 1
