"""The results in Markdown, and their place in a page."""

from collections.abc import Callable

from benchmarks.errors import BenchmarkError
from benchmarks.results import Cell, Outcome, Results

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

_HEAD = (
    "image",
    "concurrency",
    "contestant",
    "requests/s",
    "p50, ms",
    "p95, ms",
    "p99, ms",
    "errors",
    "memory, MB",
    "start, s",
    "wrk, cores",
)
_NONE = "-"
# By column: the figure in the column's unit.
_FIGURES: tuple[Callable[[Cell], float], ...] = (
    lambda cell: cell.load.requests_per_second,
    lambda cell: 1000 * cell.load.p50,
    lambda cell: 1000 * cell.load.p95,
    lambda cell: 1000 * cell.load.p99,
)


def table(results: Results) -> str:
    """One table of everything, each figure with its ratio to ours in parentheses."""
    ours = results.outcomes[0]
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for ours_cell in ours.cells:
        for outcome in results.outcomes:
            rows += [
                _row(outcome, cell, ours, ours_cell)
                for cell in outcome.cells
                if (cell.upload, cell.concurrency) == (ours_cell.upload, ours_cell.concurrency)
            ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, *_problems(results)])


def fragment(results: Results, chart: str) -> str:
    """What stands between the markers of the page: machine, images, chart and table."""
    machine = [f"- {aspect}: {value}" for aspect, value in results.machine.items()]
    images = [f"- {name} image: {told}" for name, told in results.uploads.items()]
    about = f"Measured on {results.date}, {results.seconds} s a load, on:"
    picture = f"![Requests per second and latency by concurrency]({chart})"
    return "\n".join([about, "", *machine, *images, "", picture, "", table(results)])


def put(page: str, text: str) -> str:
    """The page with `text` between its markers, in the place of what was there.

    Raises:
        BenchmarkError: the page has no such markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"The page has no {BEGIN} with {END} after it.")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _row(outcome: Outcome, cell: Cell, ours: Outcome, ours_cell: Cell) -> tuple[str, ...]:
    generator = cell.load.generator_cpu
    return (
        cell.upload,
        str(cell.concurrency),
        outcome.contestant,
        *(_compared(figure(cell), figure(ours_cell)) for figure in _FIGURES),
        errors(cell.load.errors),
        _compared(cell.memory / 1e6, ours_cell.memory / 1e6),
        _NONE if outcome.start is None else _compared(outcome.start, ours.start),
        _NONE if generator is None else f"{generator:.2f}",
    )


def _compared(value: float, ours: float | None) -> str:
    """A figure of three digits, and its ratio to ours."""
    shown = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return f"{shown} ({value / ours:.2f})" if ours else f"{shown} ({_NONE})"


def errors(counts: dict[str, int]) -> str:
    """How many of each kind, in words."""
    return ", ".join(f"{count} x {kind}" for kind, count in counts.items()) or "0"


def _problems(results: Results) -> list[str]:
    """A row for each contestant that was not measured."""
    empty = (_NONE,) * (len(_HEAD) - 4)
    return [
        f"| {' | '.join(('all', 'all', outcome.contestant, _cell(outcome.problem), *empty))} |"
        for outcome in results.outcomes
        if outcome.problem
    ]


def _cell(text: str) -> str:
    """Text that breaks no table."""
    return " ".join(text.replace("|", "/").split())
