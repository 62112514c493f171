"""Measure the contestants, one after another."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bare, load
from benchmarks.client import ask, ask_until
from benchmarks.errors import BenchmarkError
from benchmarks.results import Cell, Outcome
from benchmarks.roster import BARE, OURS, Contestant
from benchmarks.server import Server, serving
from benchmarks.uploads import Upload

CONCURRENCIES = (1, 4, 16, 64)
TOLERANCE = 0.02

_WARM_UP = 3
_SETTLED = 3
# For one that refuses, in seconds.
_PATIENCE = 10.0

Tell = Callable[[str], None]
Probabilities = dict[str, float]


def measure(
    contestants: Sequence[Contestant], uploads: Sequence[Upload], seconds: int, tell: Tell
) -> list[Outcome]:
    """Measure our service, the bare loop, and the contestants, for so many seconds a load.

    A contestant that is not installed is skipped, one that fails is failed; neither stops the
    others. `tell` gets a line for each step.

    Raises:
        BenchmarkError: our own service failed, with which all others are compared.
    """
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(uploads, seconds, tell, Path(folder))
        outcomes = [runner.ours(), runner.bare()]
        outcomes += [runner.other(contestant) for contestant in contestants]
    return outcomes


class Runner:
    """The uploads in files, as the load generators take them, and our service's answers."""

    def __init__(self, uploads: Sequence[Upload], seconds: int, tell: Tell, folder: Path) -> None:
        self.uploads, self.seconds, self.tell, self.folder = uploads, seconds, tell, folder
        self.expected: Probabilities = {}
        for upload in uploads:
            (folder / f"{upload.name}.form").write_bytes(upload.body)
            (folder / f"{upload.name}.jpeg").write_bytes(upload.jpeg)

    def ours(self) -> Outcome:
        """Our service; what it answers is what the others have to answer."""
        with self._started(OURS) as server:
            self.expected = {u.name: ask(server.port, OURS.path, u) for u in self.uploads}
            return self._loaded(OURS, server)

    def bare(self) -> Outcome:
        """Our engine and decoder without a service around them."""
        self.tell(BARE)
        cells = []
        for upload, concurrency in self._loads():
            jpeg = self.folder / f"{upload.name}.jpeg"
            measured, memory = bare.measure_apart(jpeg, concurrency, self.seconds)
            cells.append(Cell(upload.name, concurrency, measured, memory))
        return Outcome(BARE, cells=cells)

    def other(self, contestant: Contestant) -> Outcome:
        """One of the contestants."""
        if contestant.missing:
            names = " and ".join(contestant.missing)
            self.tell(f"{contestant.name}: skipped, {names} not installed")
            return Outcome(contestant.name, problem=f"skipped: {names} not installed")
        try:
            with self._started(contestant) as server:
                for upload in self.uploads:
                    probability = ask(server.port, contestant.path, upload)
                    check(probability, self.expected[upload.name], upload)
                return self._loaded(contestant, server)
        except BenchmarkError as error:
            self.tell(f"{contestant.name}: failed: {error}")
            return Outcome(contestant.name, problem=f"failed: {error}", failed=True)

    @contextmanager
    def _started(self, contestant: Contestant) -> Iterator[Server]:
        self.tell(contestant.name)
        with serving(contestant, self.uploads[0]) as server:
            self.tell(f"  first answer after {server.start:.1f} s")
            yield server

    def _loaded(self, contestant: Contestant, server: Server) -> Outcome:
        cells = []
        for upload, concurrency in self._loads():
            form = self.folder / f"{upload.name}.form"
            target = server.port, contestant.path, form, concurrency
            load.run(*target, _WARM_UP)
            self._settle(contestant, server, upload)
            measured = load.run(*target, self.seconds)
            cells.append(Cell(upload.name, concurrency, measured, server.memory))
            self._settle(contestant, server, upload)
        return Outcome(contestant.name, server.start, cells)

    def _settle(self, contestant: Contestant, server: Server, upload: Upload) -> None:
        """Wait for what the end of a load left unanswered, which would burden the next one.

        Servers answer more or less in order, so after a few answers one by one nothing is left. One
        that is full at first may refuse.
        """
        deadline = time.monotonic() + _PATIENCE
        for _ in range(_SETTLED):
            ask_until(deadline, server.port, contestant.path, upload)

    def _loads(self) -> Iterator[tuple[Upload, int]]:
        for upload in self.uploads:
            for concurrency in CONCURRENCIES:
                self.tell(f"  {upload.name} image, concurrency {concurrency}")
                yield upload, concurrency


def check(probability: float, expected: float, upload: Upload) -> None:
    """Pass where a contestant answers as our service does.

    Raises:
        BenchmarkError: the probabilities are more than 0.02 apart.
    """
    if not abs(probability - expected) <= TOLERANCE:
        raise BenchmarkError(
            f"It answers {probability:.3f} to the {upload.name} image, the service {expected:.3f}."
        )
