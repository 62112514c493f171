"""Draw requests per second and latency by concurrency.

The figure is built with matplotlib's `Figure`, which draws with Agg: no display, no global state.
"""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.results import Cell, Results

_DPI = 150
# Okabe and Ito's palette, https://jfly.uni-koeln.de/color/.
_COLOURS = ("#D55E00", "#000000", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
_MARKERS = "osD^vP"

_MEASURES: dict[str, Callable[[Cell], float]] = {
    "requests/s": lambda cell: cell.load.requests_per_second,
    "p95 latency, ms": lambda cell: 1000 * cell.load.p95,
}


def draw(results: Results) -> Figure:
    """A row for each image, a column for each measure, a line for each contestant."""
    figure = Figure(figsize=(11, 4.2 * len(results.uploads)), layout="constrained")
    axes = figure.subplots(len(results.uploads), len(_MEASURES), squeeze=False)
    for row, upload in zip(axes, results.uploads, strict=True):
        for ax, measure in zip(row, _MEASURES, strict=True):
            _panel(ax, results, upload, measure)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def save(results: Results, path: Path) -> None:
    """Write the chart as PNG, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(results).savefig(path, dpi=_DPI)


def _panel(ax: Axes, results: Results, upload: str, measure: str) -> None:
    frameworks: list[str] = []
    for index, outcome in enumerate(results.outcomes):
        framework = outcome.contestant.partition(",")[0]
        frameworks.append(framework)
        cells = [cell for cell in outcome.cells if cell.upload == upload]
        if cells:
            ax.plot(
                [cell.concurrency for cell in cells],
                [_MEASURES[measure](cell) for cell in cells],
                # A framework has one colour, and its second contestant dashes.
                color=_COLOURS[list(dict.fromkeys(frameworks)).index(framework)],
                linestyle="-" if frameworks.count(framework) == 1 else "--",
                marker=_MARKERS[index % len(_MARKERS)],
                linewidth=3 if index == 0 else 1.3,
                label=outcome.contestant,
            )
    _scale(ax, sorted({cell.concurrency for o in results.outcomes for cell in o.cells}))
    ax.set_xlabel("concurrent requests")
    ax.set_ylabel(measure)
    ax.set_title(f"{upload} image")


def _scale(ax: Axes, concurrencies: list[int]) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(concurrencies, [str(concurrency) for concurrency in concurrencies])
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.grid(color="#dddddd", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
