"""The service's ceiling: its engine and its decoder in a loop over the cores, with no HTTP.

`python -m benchmarks.bare JPEG CONCURRENCY SECONDS` prints a load and the memory as JSON, from a
process that holds nothing else.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Semaphore

import numpy as np

from app.imaging.decode import decode, to_model_input
from app.inference.contract import Engine
from app.inference.load import load
from benchmarks import processes
from benchmarks.errors import BenchmarkError
from benchmarks.load import Load
from model_store.store import resolve


def measure(engine: Engine, jpeg: bytes, concurrency: int, seconds: float) -> Load:
    """Read a JPEG over and over for so many seconds.

    At most a thread for each core decodes. As many images as the service would have in flight are
    shared out among the threads, each inferring its share, up to the engine's largest batch, at
    once. A latency is that of such a batch.
    """
    threads = min(concurrency, os.cpu_count() or 1)
    batch = max(1, min(engine.max_batch, concurrency // threads))
    streams = Semaphore(engine.streams)
    started = time.perf_counter()

    def work(_: int) -> list[float]:
        latencies = []
        while time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            images = np.stack([to_model_input(decode(jpeg).pixels) for _ in range(batch)])
            with streams:
                engine.infer(images)
            latencies.append(time.perf_counter() - begun)
        return latencies

    with ThreadPoolExecutor(threads) as pool:
        latencies = [latency for taken in pool.map(work, range(threads)) for latency in taken]
    elapsed = time.perf_counter() - started
    p50, p95, p99 = (float(p) for p in np.percentile(latencies, (50, 95, 99)))
    return Load(len(latencies) * batch / elapsed, p50, p95, p99)


def measure_apart(jpeg: Path, concurrency: int, seconds: float) -> tuple[Load, int]:
    """`measure` in a process of its own: the load, and that process's memory in bytes.

    Raises:
        BenchmarkError: the process failed.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.bare", str(jpeg), str(concurrency), str(seconds)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"The bare loop failed: {done.stderr.strip()[-300:]}")
    told = json.loads(done.stdout)
    return Load(**told["load"]), told["memory"]


def main(path: str, concurrency: str, seconds: str) -> None:
    """Warm up, measure and print."""
    jpeg, engine = Path(path).read_bytes(), load(resolve(), "openvino")
    measure(engine, jpeg, int(concurrency), 1)
    measured = measure(engine, jpeg, int(concurrency), float(seconds))
    told = {"load": asdict(measured), "memory": processes.memory(os.getpid())}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
