"""Load a server over HTTP with wrk, a compiled load generator."""

import json
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.client import HOST
from benchmarks.errors import BenchmarkError
from benchmarks.uploads import CONTENT_TYPE

_SCRIPT = Path(__file__).with_name("wrk.lua")
# wrk would call a request of 2 s an error; at 64 connections a slow server takes longer.
_TIMEOUT = "60s"


@dataclass(frozen=True)
class Load:
    """What a load measured.

    Attributes:
        requests_per_second: answers of status 200.
        p50, p95, p99: latency of all answers, in seconds.
        errors: how many of each kind: another status, or `connect`, `read`, `write`, `timeout`.
        generator_cpu: what the load generator took, 1 being a whole core; None without one.
    """

    requests_per_second: float
    p50: float
    p95: float
    p99: float
    errors: dict[str, int] = field(default_factory=dict)
    generator_cpu: float | None = None


def check_wrk() -> None:
    """Pass where wrk is installed.

    Raises:
        BenchmarkError: it is not.
    """
    if shutil.which("wrk") is None:
        raise BenchmarkError("wrk, the load generator, is missing: apt-get install wrk.")


def run(
    port: int, path: str, body: Path, concurrency: int, seconds: int, pause: float | None = None
) -> Load:
    """Send the multipart form in the file `body` for so many seconds over so many connections.

    A connection sends its next request when it has its answer, or, on average, `pause` seconds
    after.

    Raises:
        BenchmarkError: wrk failed.
    """
    before, started = _cpu_seconds_of_children(), time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [  # noqa: S607
            "wrk",
            f"--connections={concurrency}",
            f"--threads={min(concurrency, 2)}",
            f"--duration={seconds}s",
            f"--timeout={_TIMEOUT}",
            f"--script={_SCRIPT}",
            f"http://{HOST}:{port}{path}",
            "--",
            str(body),
            CONTENT_TYPE,
            *([] if pause is None else [str(round(1000 * pause))]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    elapsed = time.perf_counter() - started
    if done.returncode != 0:
        raise BenchmarkError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout, (_cpu_seconds_of_children() - before) / elapsed)


def parse(output: str, generator_cpu: float) -> Load:
    """Read what `wrk.lua` printed, in the last line.

    Raises:
        BenchmarkError: it printed nothing that we know.
    """
    try:
        told: dict[str, Any] = json.loads(output.strip().rpartition("\n")[2])
        counts: dict[str, int] = told["counts"]
        answered = counts.get("200", 0)
        return Load(
            requests_per_second=answered / (told["microseconds"] / 1e6),
            p50=told["p50"] / 1e6,
            p95=told["p95"] / 1e6,
            p99=told["p99"] / 1e6,
            errors={kind: n for kind, n in sorted(counts.items()) if kind != "200" and n},
            generator_cpu=generator_cpu,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BenchmarkError(f"wrk's output was not understood: {output[-200:]!r}.") from error


def _cpu_seconds_of_children() -> float:
    """CPU seconds, user and system, of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
