"""The soak: a short one of the service, and that it tells what did not hold."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import soak
from benchmarks.soak import Report, State
from tests import synthetic

MIB = 2**20
AT_REST = State(300 * MIB, 20, 12)


def test_a_short_run_holds(
    model_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_MODEL_STORE", str(model_root))
    xray = synthetic.encode(synthetic.chest(0))
    sent: set[bytes | None] = set()
    (tmp_path / "ward").mkdir()
    # So many that one is chosen.
    for number in range(200):
        (tmp_path / "ward" / f"{number}.png").write_bytes(xray)
    original = soak._ask

    def ask(port: int, method: str, path: str, body: bytes | None = None, *rest: Any) -> int:
        sent.add(body)
        return original(port, method, path, body, *rest)

    monkeypatch.setattr(soak, "_ask", ask)

    report = soak.soak(5, clients=4, seed=1, images=tmp_path)

    assert report.failures == []
    assert {200, 422} <= report.answers.keys()
    assert report.peak > 0
    assert xray in sent


def _judged(
    states: list[State] | None = None,
    *,
    answers: dict[int, int] | None = None,
    rest: State | None = AT_REST,
    ended: int | None = 0,
    log: str = "",
) -> list[str]:
    report = Report(1, Counter(answers), states=states or [AT_REST] * 8, rest=rest)
    soak._judge(report, ended, log)
    return report.failures


def test_what_holds() -> None:
    assert _judged(answers={200: 9, 422: 3, 503: 5, 0: 7}, log="INFO 5 ms") == []


@pytest.mark.parametrize(
    ("failures", "sentence"),
    [
        (_judged(answers={500: 1}), "own fault: {500: 1}"),
        (_judged(rest=None), "ended by itself"),
        (_judged(ended=None), "did not end"),
        (_judged(log="2026 ERROR failed"), "errors in the log"),
        (_judged([State(i * 40 * MIB, 20, 12) for i in range(8)]), "memory grew by 160 MiB"),
        (_judged(rest=State(300 * MIB, 30, 12)), "Descriptors"),
        (_judged(rest=State(300 * MIB, 20, 30)), "Threads"),
    ],
)
def test_what_does_not_hold(failures: list[str], sentence: str) -> None:
    (failure,) = failures
    assert sentence in failure
