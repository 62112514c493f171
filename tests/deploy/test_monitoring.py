"""Alert rules and dashboard, asked of a real Prometheus that scrapes a real service."""

import json
import re
import runpy
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from app.http.protocol import refusing
from app.main import create_app
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.spool import Spool
from app.reading import drift
from app.settings import Settings
from benchmarks.ports import free_port
from model_store.store import resolve
from tests import synthetic
from tests.app.conftest import serving, wait_until_ready
from tests.app.pacs.network import wait_until
from tests.app.pacs.node.scp import ROOM
from tests.app.reading import profiles
from tests.app.reading.versions import release

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
SECONDS = 30
# Of a model, at the lowest priority.
LOADING = 300

pytestmark = pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL), reason="Debian's package prometheus is not installed"
)


@pytest.fixture(scope="module")
def dashboard() -> dict[str, object]:
    board: dict[str, object] = json.loads((FOLDER / "dashboard.json").read_text())
    return board


def test_each_alert_fires_where_it_should_and_only_there() -> None:
    command = [str(PROMTOOL), "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_to_do_is_documented_for_each_alert() -> None:
    alerts = re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text())
    text = (FOLDER.parents[1] / "docs" / "operate.md").read_text()
    assert re.findall(r"^\| `(Pneumoscope\w+)` \|", text, re.MULTILINE) == alerts


def test_the_dashboard_is_up_to_date(dashboard: dict[str, object]) -> None:
    made = runpy.run_path(str(FOLDER / "dashboard.py"))["dashboard"]()
    assert json.loads(made) == dashboard


@pytest.fixture(scope="module")
def few_suffice() -> Iterator[None]:
    """Have an index of a few readings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "LEAST", 1)
        yield


@pytest.fixture(scope="module")
def prometheus(
    few_suffice: None, model_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a Prometheus that has scraped a service which, as its shadow, has read images."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    xray = synthetic.encode(synthetic.chest(7, pneumonia=True))
    store, profile = folder / "store", folder / "profile.json"
    shutil.copytree(model_root, store)
    release(store, 2, threshold=0.9999)
    reference = {name: dict.fromkeys(bins, 1) for name, bins in drift.BINS.items()}
    profiles.write(profile, resolve(model_root).manifest, reference=reference)
    settings = Settings(model_store=store, engine="openvino", model_version=1, shadow=2)
    app = create_app(settings.model_copy(update={"profile": profile}))
    # As if it were a node, too.
    NodeMetrics(app.state.metrics.registry, Spool(folder / "spool", ROOM))
    with serving(app, refusing(app)) as service:
        wait_until_ready(service)
        wait_until_the_shadow_reads(service)
        target = f"{service.base_url.host}:{service.base_url.port}"
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": "pneumoscope", "static_configs": [{"targets": [target]}]}
            ],
        }
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(config))
        command = [
            str(PROMETHEUS),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with (
            subprocess.Popen(command, stderr=subprocess.DEVNULL) as running,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            try:
                wait_until_scraped(client)
                # What grows between two scrapes has a rate.
                for _ in range(3):
                    service.post("/predict", files={"file": xray})
                    service.post("/predict", files={"file": b"no image"})
                    time.sleep(1.5)
                yield client
            finally:
                running.terminate()


def asked(client: httpx.Client, expression: str) -> list[object]:
    answer = client.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == httpx.codes.OK, answer.text
    found: list[object] = answer.json()["data"]["result"]
    return found


def wait_until_the_shadow_reads(service: httpx.Client) -> None:
    changed = 'pneumoscope_model_changes_total{result="changed",role="shadow"} 1.0'
    wait_until(lambda: changed in service.get("/metrics").text, "there is a shadow", LOADING)


def wait_until_scraped(client: httpx.Client) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        # Until it is ready, it listens to nobody, and then answers with 503.
        with suppress(httpx.TransportError):
            started = client.get("/-/ready").is_success
            if started and asked(client, "pneumoscope_ready == 1"):
                return
        time.sleep(0.3)
    raise TimeoutError("Prometheus scraped nothing")


def test_every_expression_of_the_dashboard_has_an_answer(
    prometheus: httpx.Client, dashboard: dict[str, list[dict[str, list[dict[str, str]]]]]
) -> None:
    expressions = [
        target["expr"].replace("$__rate_interval", "10s").replace("$quantity", "novelty")
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(expressions) > 15
    assert not [text for text in expressions if not asked(prometheus, text)]


def test_no_alert_expression_holds_of_a_service_that_is_well(prometheus: httpx.Client) -> None:
    text = (FOLDER / "alerts.yml").read_text()
    checked = subprocess.run(
        [str(PROMTOOL), "check", "rules", "--lint=all", "--lint-fatal", str(FOLDER / "alerts.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert text.count("alert: ") == 10
    assert not asked(prometheus, 'up{job=~"pneumoscope.*"} == 0 or pneumoscope_ready == 0')
