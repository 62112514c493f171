"""Measure the contestants, one after another."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
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
        return self._measured(OURS)

    def bare(self) -> Outcome:
        """Our engine and decoder without a service around them."""
        self.tell(BARE)
        cells = []
        for upload in self.uploads:
            jpeg = self.folder / f"{upload.name}.jpeg"
            for concurrency in self._concurrencies(upload):
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
            return self._measured(contestant)
        except BenchmarkError as error:
            self.tell(f"{contestant.name}: failed: {error}")
            return Outcome(contestant.name, problem=f"failed: {error}", failed=True)

    def _measured(self, contestant: Contestant) -> Outcome:
        """Measure it with each image, started anew, as batching may adapt to the loads before."""
        self.tell(contestant.name)
        starts: list[float] = []
        cells: list[Cell] = []
        for upload in self.uploads:
            with serving(contestant, upload) as server:
                self.tell(f"  first answer after {server.start:.1f} s")
                starts.append(server.start)
                probability = ask(server.port, contestant.path, upload)
                check(probability, self.expected.setdefault(upload.name, probability), upload)
                cells += self._loaded(contestant, server, upload)
        return Outcome(contestant.name, max(starts), cells)

    def _loaded(self, contestant: Contestant, server: Server, upload: Upload) -> Iterator[Cell]:
        form = self.folder / f"{upload.name}.form"
        for concurrency in self._concurrencies(upload):
            target = server.port, contestant.path, form, concurrency
            load.run(*target, _WARM_UP)
            self._settle(contestant, server, upload)
            measured = load.run(*target, self.seconds)
            yield Cell(upload.name, concurrency, measured, server.memory)
            self._settle(contestant, server, upload)

    def _settle(self, contestant: Contestant, server: Server, upload: Upload) -> None:
        """Wait for what the end of a load left unanswered, which would burden the next one.

        Servers answer more or less in order, so after a few answers one by one nothing is left. One
        that is full at first may refuse.
        """
        deadline = time.monotonic() + _PATIENCE
        for _ in range(_SETTLED):
            ask_until(deadline, server.port, contestant.path, upload)

    def _concurrencies(self, upload: Upload) -> Iterator[int]:
        for concurrency in CONCURRENCIES:
            self.tell(f"  {upload.name} image, concurrency {concurrency}")
            yield concurrency


def check(probability: float, expected: float, upload: Upload) -> None:
    """Pass where a contestant answers as our service does.

    Raises:
        BenchmarkError: the probabilities are more than 0.02 apart.
    """
    if not abs(probability - expected) <= TOLERANCE:
        raise BenchmarkError(
            f"It answers {probability:.3f} to the {upload.name} image, the service {expected:.3f}."
        )
