"""Ten times as many requests as the service can answer: what becomes of those that it can.

`python -m benchmarks.overload [SECONDS]` prints a table. The service has half of the cores and the
load generator the others, as if each were on a machine of its own: else it is the generator, who is
far busier than under a load that the service can carry, that takes the answers away.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from app.settings import Settings
from benchmarks import load, report
from benchmarks.errors import BenchmarkError
from benchmarks.roster import OURS
from benchmarks.server import Server, serving
from benchmarks.uploads import Upload, uploads

_PEAK_CONNECTIONS = 16
_TIMES = 10
# Clients come back after as long as the service tells those that it refuses, on average.
_PAUSE = 1.0
_WARM_UP = 3
_HEAD = (
    "image",
    "peak, requests/s",
    "offered, requests/s",
    "answered, requests/s",
    "of the peak",
    "refused, p50, ms",
    "other errors",
    "memory, MB, before and after",
    "wrk, cores",
)


def rows(seconds: int) -> Iterator[tuple[str, ...]]:
    """The figures for each image, under the head of the table.

    Raises:
        BenchmarkError: there is but one core, or the service does not start.
    """
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    if not half:
        raise BenchmarkError("Two cores are needed, one of them for the load generator.")
    for upload in uploads():
        with (
            tempfile.TemporaryDirectory() as folder,
            _children_on(cores[:half]),
            serving(OURS, upload) as server,
            _children_on(cores[half:]),
        ):
            body = Path(folder) / "form"
            body.write_bytes(upload.body)
            yield _row(upload, server, body, seconds)


@contextmanager
def _children_on(cores: list[int]) -> Iterator[None]:
    """Keep the processes that the block starts, and this one meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _row(upload: Upload, server: Server, body: Path, seconds: int) -> tuple[str, ...]:
    target = server.port, OURS.path, body
    load.run(*target, _PEAK_CONNECTIONS, _WARM_UP)
    peak = load.run(*target, _PEAK_CONNECTIONS, seconds).requests_per_second
    # Those whose request is at work wait; the others come and go.
    connections = round(_TIMES * peak * _PAUSE) + Settings().max_in_flight
    load.run(*target, connections, _WARM_UP, _PAUSE)
    before = server.memory
    loaded = load.run(*target, connections, seconds, _PAUSE)
    errors = dict(loaded.errors)
    offered = loaded.requests_per_second + errors.pop("503", 0) / seconds
    return (
        upload.name,
        f"{peak:.1f}",
        f"{offered:.0f}",
        f"{loaded.requests_per_second:.1f}",
        f"{loaded.requests_per_second / peak:.2f}",
        # Nine of ten answers are refusals, so half of all is a refusal's.
        f"{1000 * loaded.p50:.1f}",
        report.errors(errors),
        f"{before / 1e6:.0f}, {server.memory / 1e6:.0f}",
        f"{loaded.generator_cpu or 0:.2f}",
    )


def main(seconds: str = "10") -> None:
    """Print the table, in Markdown."""
    try:
        load.check_wrk()
        for row in chain((_HEAD, ("---",) * len(_HEAD)), rows(int(seconds))):
            sys.stdout.write(f"| {' | '.join(row)} |\n")
            sys.stdout.flush()
    except BenchmarkError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
