"""A guard against regressions: the service against its own engine and decoder, on this machine.

Seconds depend on the machine, the ratio of the two hardly does. `python -m benchmarks` measures it
properly; here a generous margin holds on a busy machine too.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.inference.load import load
from benchmarks import bare
from benchmarks.client import ask
from benchmarks.roster import OURS
from benchmarks.server import serving
from benchmarks.uploads import Upload
from model_store.store import resolve
from tests import synthetic

LEAST = 0.4
CONCURRENCY = 4
SECONDS = 1.0
ROUNDS = 3


def requests_per_second(port: int, upload: Upload) -> float:
    """Of the service, with as many clients as there are requests in flight in the bare loop."""
    started = time.perf_counter()

    def client(_: int) -> int:
        answered = 0
        while time.perf_counter() - started < SECONDS:
            ask(port, OURS.path, upload)
            answered += 1
        return answered

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        answered = sum(pool.map(client, range(CONCURRENCY)))
    return answered / (time.perf_counter() - started)


def test_the_service_keeps_most_of_its_engines_throughput() -> None:
    jpeg = synthetic.encode(synthetic.chest(1, size=(1000, 1400)), ".jpeg")
    upload = Upload("original", "a drawing", jpeg, (1400, 1000))
    engine = load(resolve(), "openvino")
    ratios = []
    with serving(OURS, upload) as server:
        # What else the machine does comes and goes, so each round compares anew.
        for _ in range(ROUNDS):
            ceiling = bare.measure(engine, jpeg, CONCURRENCY, SECONDS).requests_per_second
            ratios.append(requests_per_second(server.port, upload) / ceiling)
            if ratios[-1] >= LEAST:
                return
    pytest.fail(f"The service reaches {ratios} of its engine's throughput, not {LEAST}.")
