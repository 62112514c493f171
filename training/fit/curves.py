"""Draw how a training goes, from the logs of its phases."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.drawing import BLUE, GRAY, ORANGE, save
from training.fit.resuming import Rows, log

FILE_NAME = "curves.png"

_DPI = 100
# What is drawn, by the name that it has in the log of what was trained on.
_TITLES = {"loss": "Loss", "auc": "Area under the ROC curve"}
_KINDS = (("", "training", BLUE), ("val_", "validation", ORANGE))
# What `keras.callbacks.CSVLogger` writes where nothing was measured.
_NOTHING = "NA"


class Curves(keras.callbacks.Callback):
    """Draws a run's curves anew after each epoch, once its log has the epoch."""

    def __init__(self, run: Path, phases: Sequence[str]) -> None:
        super().__init__()
        self._run, self._phases = run, phases

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        write(self._run, self._phases)


def write(run: Path, phases: Sequence[str]) -> None:
    """Write `run/curves.png`.

    Args:
        run: the directory of a training.
        phases: its folders, each with a log, in their order; those without one have not begun.
    """
    logs = {phase: log(run / phase) for phase in phases}
    fresh = run / f"new.{FILE_NAME}"
    save(draw({phase: rows for phase, rows in logs.items() if rows}), fresh)
    fresh.replace(run / FILE_NAME)


def draw(logs: Mapping[str, Rows]) -> Figure:
    """The loss and, where it was monitored, the area, by epoch over all phases.

    Args:
        logs: the rows of each phase's log, one or more.
    """
    first = next(iter(logs.values()))[0]
    shown = [name for name in _TITLES if name in first]
    figure = Figure(figsize=(9, 3.4 * len(shown)), dpi=_DPI, layout="constrained")
    for axes, name in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        _draw(axes, logs, name)
    return figure


def _draw(axes: Axes, logs: Mapping[str, Rows], name: str) -> None:
    """Each phase's curves beside the former's; they do not join, since what is trained changes."""
    start = 0
    told: set[str] = set()
    for phase, rows in logs.items():
        epochs = range(start + 1, start + len(rows) + 1)
        for prefix, title, colour in _KINDS:
            if rows[0].get(prefix + name, _NOTHING) != _NOTHING:
                values = [float(row[prefix + name]) for row in rows]
                label = None if title in told else title
                axes.plot(epochs, values, "o-", ms=4, color=colour, label=label)
                told.add(title)
        axes.axvline(start + 0.5, color=GRAY, lw=1, ls="--")
        at = axes.get_xaxis_transform()
        axes.text(start + 0.6, 1.02, phase, transform=at, color=GRAY, fontsize=9)
        start += len(rows)
    axes.set(xlim=(0.5, start + 0.5), xlabel="Epoch", ylabel=_TITLES[name])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
