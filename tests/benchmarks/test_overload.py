import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import load, overload
from benchmarks.load import Load
from benchmarks.roster import Contestant
from benchmarks.uploads import Upload

SMALL = Upload("small", "a drawing", b"jpeg", (224, 224))


class Holding:
    """A server that holds more memory each time that it is asked."""

    port = 8123

    def __init__(self) -> None:
        self.asked = 0

    @property
    def memory(self) -> int:
        self.asked += 1
        return 300_000_000 + self.asked * 1_000_000


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The cores that this process may use, of a machine with three."""
    allowed = {0, 1, 2}

    def allow(pid: int, cores: Iterable[int]) -> None:
        chosen = set(cores)
        allowed.clear()
        allowed.update(chosen)

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(allowed))
    monkeypatch.setattr(os, "sched_setaffinity", allow)
    monkeypatch.setattr(load, "check_wrk", lambda: None)
    return allowed


def test_ten_times_the_peak_is_offered(
    cores: set[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[tuple[int, int, float | None]] = []

    def run(
        port: int, path: str, body: Path, connections: int, seconds: int, pause: float | None = None
    ) -> Load:
        assert (port, path) == (Holding.port, "/predict")
        assert body.read_bytes() == SMALL.body
        assert cores == {1, 2}
        runs.append((connections, seconds, pause))
        if pause is None:
            return Load(50.0, 0.3, 0.4, 0.5)
        return Load(47.5, 0.002, 0.4, 0.5, {"503": 4000, "read": 3}, 0.16)

    @contextmanager
    def serving(contestant: Contestant, upload: Upload) -> Iterator[Holding]:
        assert cores == {0}
        yield Holding()

    monkeypatch.setattr(load, "run", run)
    monkeypatch.setattr(overload, "serving", serving)
    monkeypatch.setattr(overload, "uploads", lambda: [SMALL])
    overload.main("8")

    assert cores == {0, 1, 2}
    assert runs == [(16, 3, None), (16, 8, None), (564, 3, 1.0), (564, 8, 1.0)]
    (row,) = capsys.readouterr().out.splitlines()[2:]
    expected = ["small", "50.0", "548", "47.5", "0.95", "2.0", "3 x read", "301, 302", "0.16"]
    assert row == f"| {' | '.join(expected)} |"


def test_the_load_generator_needs_a_core_of_its_own(cores: set[int]) -> None:
    os.sched_setaffinity(0, {1})

    with pytest.raises(SystemExit, match="Two cores are needed"):
        overload.main()
