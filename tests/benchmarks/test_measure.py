from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import bare, client, load, measure
from benchmarks.client import NotYetError
from benchmarks.errors import BenchmarkError
from benchmarks.load import Load
from benchmarks.results import Outcome
from benchmarks.roster import BARE, OURS, Contestant
from benchmarks.server import Server
from benchmarks.uploads import Upload
from tests.benchmarks import made

UPLOADS = [made.upload("small"), made.upload("original")]
# What the servers of this test answer, by the port that they have.
PROBABILITIES = {1: 0.7, 2: 0.715, 3: 0.75}
PORTS = {OURS.name: 1, "near": 2, "far": 3}


def contestant(name: str, *requires: str) -> Contestant:
    return Contestant(name, (), requires, path="/read")


class Loads:
    """Stands for wrk: what it was asked to do, and which servers were started for it."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, str, int, int]] = []
        self.started: list[tuple[str, str]] = []

    def run(self, port: int, path: str, body: Path, concurrency: int, seconds: int) -> Load:
        assert body.read_bytes() == UPLOADS[0].body
        self.seen.append((port, path, body.stem, concurrency, seconds))
        return made.load(concurrency, 0.01)


def answer(monkeypatch: pytest.MonkeyPatch, ask: Callable[..., float]) -> None:
    """Let `ask` answer in the place of every server."""
    monkeypatch.setattr(client, "ask", ask)
    monkeypatch.setattr(measure, "ask", ask)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Servers that answer at once, and a load generator that loads nothing."""
    loads = Loads()

    @contextmanager
    def serving(contestant: Contestant, upload: Upload) -> Iterator[Server]:
        if contestant.name not in PORTS:
            raise BenchmarkError("It ended with 1.")
        loads.started.append((contestant.name, upload.name))
        yield Server(PORTS[contestant.name], -1, 0.5 if upload is UPLOADS[0] else 0.75)

    monkeypatch.setattr(measure, "serving", serving)
    monkeypatch.setattr(load, "run", loads.run)
    answer(monkeypatch, lambda port, *_: PROBABILITIES[port])
    monkeypatch.setattr(
        bare, "measure_apart", lambda jpeg, concurrency, seconds: (made.load(9, 0.1), 7)
    )
    return loads


def outcomes(*contestants: Contestant) -> list[Outcome]:
    return measure.measure(contestants, UPLOADS, 10, lambda line: None)


def test_ours_comes_first_then_the_bare_loop_then_the_others(loads: Loads) -> None:
    found = outcomes(contestant("near"))
    assert [outcome.contestant for outcome in found] == [OURS.name, BARE, "near"]
    assert [outcome.start for outcome in found] == [0.75, None, 0.75]
    for outcome in found:
        cells = [(cell.upload, cell.concurrency) for cell in outcome.cells]
        assert cells == [(name, c) for name in ("small", "original") for c in (1, 4, 16, 64)]
    assert found[1].cells[0].memory == 7


def test_a_server_is_started_anew_for_each_image(loads: Loads) -> None:
    outcomes(contestant("near"))
    names = [name for name in (OURS.name, "near") for _ in UPLOADS]
    assert loads.started == list(zip(names, ["small", "original"] * 2, strict=True))


def test_every_load_is_warmed_up_for(loads: Loads) -> None:
    outcomes()
    assert loads.seen[:2] == [(1, "/predict", "small", 1, 3), (1, "/predict", "small", 1, 10)]
    assert loads.seen[-1] == (1, "/predict", "original", 64, 10)
    assert len(loads.seen) == 16


def test_one_that_is_full_after_a_load_is_waited_for(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter([True, False, True])

    def ask(port: int, *_: object) -> float:
        if len(loads.seen) > 0 and next(refusals, False):
            raise NotYetError("503")
        return PROBABILITIES[port]

    answer(monkeypatch, ask)
    monkeypatch.setattr(client, "_PAUSE", 0)
    (ours, _) = outcomes()
    assert not ours.failed
    assert next(refusals, None) is None


def test_one_that_refuses_for_long_has_failed(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(port: int, *_: object) -> float:
        if loads.seen:
            raise NotYetError("503")
        return PROBABILITIES[port]

    answer(monkeypatch, ask)
    monkeypatch.setattr(measure, "_PATIENCE", 0)
    with pytest.raises(NotYetError, match="503"):
        outcomes()


def test_a_contestant_is_loaded_at_its_own_path(loads: Loads) -> None:
    outcomes(contestant("near"))
    assert {path for port, path, *_ in loads.seen if port == 2} == {"/read"}


def test_who_is_not_installed_is_skipped_by_name(loads: Loads) -> None:
    skipped, near = outcomes(contestant("far", "json", "no_such_module"), contestant("near"))[2:]
    assert skipped.problem == "skipped: no_such_module not installed"
    assert not skipped.failed
    assert not skipped.cells
    assert near.cells


def test_who_answers_otherwise_fails_and_is_not_loaded(loads: Loads) -> None:
    far, near = outcomes(contestant("far"), contestant("near"))[2:]
    assert far.failed
    assert far.problem == "failed: It answers 0.750 to the small image, the service 0.700."
    assert not [seen for seen in loads.seen if seen[0] == 3]
    assert near.cells


def test_who_does_not_start_fails_alone(loads: Loads) -> None:
    gone, near = outcomes(contestant("gone"), contestant("near"))[2:]
    assert gone.failed
    assert gone.problem == "failed: It ended with 1."
    assert near.cells


def test_without_ours_there_is_nothing_to_compare_with(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(PORTS, OURS.name)
    with pytest.raises(BenchmarkError, match="ended with 1"):
        outcomes()


@pytest.mark.parametrize("probability", [0.481, 0.5, 0.519])
def test_a_probability_within_0_02_passes(probability: float) -> None:
    measure.check(probability, 0.5, UPLOADS[0])


@pytest.mark.parametrize("probability", [0.479, 0.521, float("nan")])
def test_a_probability_further_away_does_not(probability: float) -> None:
    with pytest.raises(BenchmarkError, match=r"the service 0\.500"):
        measure.check(probability, 0.5, UPLOADS[0])
