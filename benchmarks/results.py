"""What a benchmark found, and its JSON."""

import json
from dataclasses import asdict, dataclass, field

from benchmarks.load import Load


@dataclass(frozen=True)
class Cell:
    """One load of one contestant.

    Attributes:
        upload: the image's name.
        concurrency: requests in flight.
        load: what was measured.
        memory: what the contestant's processes held right after it, in bytes.
    """

    upload: str
    concurrency: int
    load: Load
    memory: int


@dataclass(frozen=True)
class Outcome:
    """What became of a contestant.

    Attributes:
        contestant: its name.
        start: seconds from the start of its process to the first answer; None where there is none.
        cells: one for each image and concurrency; none where there is a problem.
        problem: why it was skipped, or how it failed; empty otherwise.
        failed: whether the problem is a failure.
    """

    contestant: str
    start: float | None = None
    cells: list[Cell] = field(default_factory=list)
    problem: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Results:
    """A whole benchmark.

    Attributes:
        date: in ISO 8601.
        machine: what it ran on, by aspect.
        uploads: the images' descriptions, by name.
        seconds: of each load.
        outcomes: ours first, which the others are compared with.
    """

    date: str
    machine: dict[str, str]
    uploads: dict[str, str]
    seconds: int
    outcomes: list[Outcome]

    def to_json(self) -> str:
        """All of it; times in seconds, memory in bytes."""
        return json.dumps(asdict(self), indent=2) + "\n"
