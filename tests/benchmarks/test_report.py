import pytest

from benchmarks import report
from benchmarks.errors import BenchmarkError
from tests.benchmarks import made


def rows(text: str) -> list[list[str]]:
    """The cells of a Markdown table, without the head."""
    return [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]


def test_each_figure_stands_with_its_ratio_to_ours() -> None:
    lines = report.table(made.results()).splitlines()
    assert lines[2] == (
        "| small | 1 | pneumoscope | 100 (1.00) | 10 (1.00) | 20 (1.00) | 30 (1.00) | 0"
        " | 200 (1.00) | 0.5 (1.00) | 0.05 |"
    )
    assert lines[4] == (
        "| small | 1 | LitServe, OpenVINO | 50 (0.50) | 20 (2.00) | 40 (2.00) | 60 (2.00) | 0"
        " | 800 (4.00) | 4 (8.00) | 0.05 |"
    )


def test_a_contestant_without_a_process_of_its_own_has_no_start() -> None:
    bare = [row for row in rows(report.table(made.results())) if row[2].startswith("engine")]
    assert {row[9] for row in bare} == {"-"}


def test_every_image_and_concurrency_has_its_rows_and_ours_comes_first() -> None:
    measured = [row for row in rows(report.table(made.results())) if row[0] != "all"]
    assert [row[:2] for row in measured[::3]] == [
        ["small", "1"],
        ["small", "4"],
        ["original", "1"],
        ["original", "4"],
    ]
    assert {row[2] for row in measured[::3]} == {"pneumoscope"}


def test_who_was_not_measured_is_named_with_the_reason() -> None:
    last = rows(report.table(made.results()))[-2:]
    assert last[0][2:4] == ["BentoML, OpenVINO", "skipped: bentoml not installed"]
    assert last[1][2:4] == ["Ray Serve, OpenVINO", "failed: a / b c"]


def test_all_rows_have_as_many_cells_as_the_head() -> None:
    lines = report.table(made.results()).splitlines()
    assert {line.count("|") for line in lines} == {12}


def test_errors_are_told_by_kind() -> None:
    results = made.results()
    results.outcomes[2].cells[0].load.errors.update({"503": 7, "timeout": 1})
    assert "| 7 x 503, 1 x timeout |" in report.table(results)


def test_the_fragment_tells_machine_images_and_chart() -> None:
    text = report.fragment(made.results(), "performance/chart.png")
    assert "- CPU: Abacus, 2 cores" in text
    assert "- original image: 1700 x 1250" in text
    assert "(performance/chart.png)" in text
    assert report.table(made.results()) in text


def test_what_stood_between_the_markers_is_replaced() -> None:
    page = f"# Title\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    put = report.put(page, "new")
    assert put == f"# Title\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"
    assert report.put(put, "newer") == put.replace("new", "newer")


@pytest.mark.parametrize("page", ["", report.BEGIN, f"{report.END} {report.BEGIN}"])
def test_a_page_without_markers_is_left_alone(page: str) -> None:
    with pytest.raises(BenchmarkError, match="results: begin"):
        report.put(page, "new")
