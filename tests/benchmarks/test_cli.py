import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import cli, load, machine, measure, report
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Tell
from benchmarks.results import Outcome, Results
from benchmarks.roster import Contestant
from benchmarks.uploads import Upload
from tests.benchmarks import made


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and what was written to both streams."""
    wide = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(cli.app, list(arguments), env=wide)
    return result.exit_code, result.output


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str]]]:
    """Nothing is measured; the calls of `run`."""
    calls = []

    def record(seconds: int, names: list[str]) -> Results:
        calls.append((seconds, names))
        results = made.results()
        results.outcomes.pop()
        return results

    monkeypatch.setattr(cli, "run", record)
    return calls


def test_the_table_is_printed(measured: list[tuple[int, list[str]]]) -> None:
    code, output = run()
    assert code == 0
    assert "| small | 4 | LitServe, OpenVINO | 200 (0.50) |" in output
    assert measured[0][0] == 10
    assert len(measured[0][1]) == 8


def test_some_contestants_can_be_chosen(measured: list[tuple[int, list[str]]]) -> None:
    code, _ = run("--seconds", "2", "--only", "BentoML, OpenVINO")
    assert code == 0
    assert measured == [(2, ["BentoML, OpenVINO"])]


def test_a_contestant_that_is_not_known_is_a_usage_error() -> None:
    code, output = run("--only", "TorchServe")
    assert code == 2
    assert "BentoML, OpenVINO" in output


def test_results_are_put_into_the_page(
    tmp_path: Path, measured: list[tuple[int, list[str]]]
) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n\n{report.BEGIN}\n{report.END}\n")
    code, _ = run("--out", str(tmp_path / "performance"))
    assert code == 0
    assert "| small | 4 | LitServe, OpenVINO | 200 (0.50) |" in page.read_text()
    assert "(performance/chart.png)" in page.read_text()
    assert (tmp_path / "performance" / "chart.png").is_file()
    told = json.loads((tmp_path / "performance" / "results.json").read_text())
    assert told["seconds"] == 10


def test_a_missing_page_is_told_after_the_table(
    tmp_path: Path, measured: list[tuple[int, list[str]]]
) -> None:
    code, output = run("--out", str(tmp_path / "elsewhere"))
    assert code == 1
    assert "LitServe" in output
    assert "elsewhere.md" in output


def test_a_contestant_that_failed_makes_the_run_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "run", lambda seconds, names: made.results())
    code, output = run()
    assert code == 1
    assert "failed: a / b c" in output


def test_what_stops_the_run_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise BenchmarkError("wrk is missing.")

    monkeypatch.setattr(load, "check_wrk", missing)
    assert run() == (1, "Error: wrk is missing.\n")


def test_a_run_describes_the_machine_and_the_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []

    def record(
        contestants: Sequence[Contestant], uploads: Sequence[Upload], seconds: int, tell: Tell
    ) -> list[Outcome]:
        chosen.extend(contestant.name for contestant in contestants)
        return [Outcome("pneumoscope")]

    monkeypatch.setattr(load, "check_wrk", lambda: None)
    monkeypatch.setattr(machine, "describe", lambda: {"CPU": "Abacus"})
    monkeypatch.setattr(cli, "uploads", lambda: [made.upload()])
    monkeypatch.setattr(measure, "measure", record)

    results = cli.run(3, ["BentoML, OpenVINO", "LitServe, OpenVINO"])

    assert chosen == ["LitServe, OpenVINO", "BentoML, OpenVINO"]
    assert results.machine == {"CPU": "Abacus"}
    assert results.uploads["small"].startswith("a gray square, 224 x 224, ")
    assert results.seconds == 3
