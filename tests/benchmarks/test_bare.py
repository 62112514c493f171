import os
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.inference.contract import Answers
from benchmarks import bare
from benchmarks.errors import BenchmarkError
from tests.answered import answers
from tests.benchmarks import made

JPEG = made.upload().jpeg


class Slow:
    """An engine that takes 20 ms, and notes its batches and how many run at once."""

    name = device = "slow"
    max_batch = 8

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.batches: list[int] = []
        self.most = self._running = 0
        self._lock = threading.Lock()

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        with self._lock:
            self.batches.append(len(images))
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.02)
        with self._lock:
            self._running -= 1
        return answers(np.zeros(len(images)))


@pytest.mark.parametrize(("concurrency", "batch"), [(1, 1), (2, 1), (8, 4), (64, 8)])
def test_what_is_in_flight_is_shared_out_among_the_cores(
    concurrency: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    engine = Slow(streams=2)
    bare.measure(engine, JPEG, concurrency, 0.05)
    assert set(engine.batches) == {batch}


def test_the_engine_has_no_more_calls_at_once_than_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    engine = Slow(streams=1)
    bare.measure(engine, JPEG, 4, 0.1)
    assert engine.most == 1


def test_images_are_counted_not_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    engine = Slow(streams=1)
    found = bare.measure(engine, JPEG, 8, 0.1)
    assert 0.02 <= found.p50 <= found.p95 <= found.p99
    assert 8 < found.requests_per_second <= 8 / 0.02
    assert found.generator_cpu is None


def test_a_process_of_its_own_measures_the_shipped_model(tmp_path: Path) -> None:
    path = tmp_path / "small.jpeg"
    path.write_bytes(JPEG)
    found, memory = bare.measure_apart(path, 1, 0.2)
    assert found.requests_per_second > 0
    assert memory > 50_000_000


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="No such file"):
        bare.measure_apart(tmp_path / "none.jpeg", 1, 0.1)
