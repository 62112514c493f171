"""Two processes of the service behind a real nginx, which shares the requests out between them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.ports import free_port
from tests.app.nginx import nginx
from tests.app.pacs.network import LOCALHOST, wait_until

COMMAND = [sys.executable, "-c", "from app.start import main; main()", "serve"]
REQUESTS = 40

Replica = tuple[subprocess.Popen[bytes], httpx.Client]


@pytest.fixture
def replicas(model_root: Path) -> Iterator[list[Replica]]:
    with ExitStack() as stack:
        yield [_replica(stack, model_root) for _ in range(2)]


def _replica(stack: ExitStack, model_root: Path) -> Replica:
    port = free_port()
    settings = {"MODEL_STORE": model_root, "PORT": port, "ENGINE": "openvino"}
    environment = os.environ | {f"PNEUMOSCOPE_{k}": str(v) for k, v in settings.items()}
    process = stack.enter_context(subprocess.Popen(COMMAND, env=environment))
    stack.callback(process.kill)
    client = stack.enter_context(
        httpx.Client(base_url=f"http://{LOCALHOST}:{port}", trust_env=False, timeout=60)
    )
    wait_until(lambda: _is_ready(client), "a replica is ready")
    return process, client


def _is_ready(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/ready").is_success
    return False


def _answered(replica: Replica) -> float:
    families = text_string_to_metric_families(replica[1].get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "pneumoscope_requests_total"
        and (sample.labels["endpoint"], sample.labels["status"]) == ("/predict", "200")
    )


def test_they_share_the_work_and_one_may_end(
    replicas: list[Replica], tmp_path: Path, xray: bytes
) -> None:
    addresses = [client.base_url.netloc.decode() for _, client in replicas]
    with nginx(tmp_path, *addresses) as proxy, ThreadPoolExecutor(8) as pool:

        def ask(_: int) -> int:
            return proxy.post("/predict", files={"file": xray}).status_code

        assert set(pool.map(ask, range(REQUESTS))) == {200}
        shares = [_answered(replica) for replica in replicas]
        assert sum(shares) == REQUESTS
        assert min(shares) > REQUESTS / 4

        leaving, _ = replicas[0]
        leaving.terminate()
        assert set(pool.map(ask, range(REQUESTS))) == {200}
        leaving.wait(60)
