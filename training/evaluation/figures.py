"""Draw what `evaluate` measures, as PNG files of 150 dpi in colour-blind safe colours.

Figures are built with matplotlib's `Figure`, which draws with Agg: no display, no global state.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve, roc_curve

from training.data.labelled import LABELS
from training.drawing import BLUE, DPI, GRAY, ORANGE, save
from training.evaluation import calibrate
from training.evaluation.measured import Estimate, Performance

Numbers = npt.NDArray[np.floating[Any]] | npt.NDArray[np.integer[Any]]

ROC, PRECISION_RECALL = "roc.png", "precision_recall.png"
CONFUSION_MATRIX, RELIABILITY = "confusion_matrix.png", "reliability.png"


def write(
    folder: Path, logits: Numbers, probabilities: Numbers, labels: Numbers, found: Performance
) -> None:
    """Write the ROC and precision-recall curves, the confusion matrix and the reliability diagram.

    Args:
        folder: made if need be; figures in it are overwritten.
        logits: `[N]`, log-odds of PNEUMONIA before calibration.
        probabilities: `[N]`, calibrated P(PNEUMONIA).
        labels: `[N]` of 0 and 1.
        found: what `evaluate.measure` returned for them.
    """
    save(roc(probabilities, labels, found), folder / ROC)
    save(precision_recall(probabilities, labels, found), folder / PRECISION_RECALL)
    save(confusion_matrix(found), folder / CONFUSION_MATRIX)
    save(reliability(logits, probabilities, labels), folder / RELIABILITY)


def roc(probabilities: Numbers, labels: Numbers, found: Performance) -> Figure:
    """The ROC curve, with the operating point and the intervals of its two coordinates."""
    figure, axes = _square("1 - specificity (false positive rate)", "Sensitivity (recall)")
    false_positive, true_positive, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    area = f"AUC {found.roc_auc}"
    axes.plot(false_positive, true_positive, color=BLUE, lw=2, label=area, clip_on=False)
    axes.plot([0, 1], [0, 1], color=GRAY, lw=1, ls="--", label="Chance")
    specificity = found.specificity
    _mark_operating_point(
        axes,
        Estimate(1 - specificity.value, 1 - specificity.high, 1 - specificity.low),
        found.sensitivity,
        f"Threshold {found.threshold:.3f}:\n"
        f"sensitivity {found.sensitivity}\n"
        f"specificity {specificity}",
    )
    axes.legend(loc="lower right", frameon=False)
    return figure


def precision_recall(probabilities: Numbers, labels: Numbers, found: Performance) -> Figure:
    """The precision-recall curve; its area is the average precision."""
    titles = "Recall (sensitivity)", "Precision (positive predictive value)"
    figure, axes = _square(*titles, (5.6, 6.4))
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    area = f"Average precision {found.pr_auc}"
    # The area sums precision times the step in recall that led to it: a staircase.
    axes.step(recall, precision, where="post", color=BLUE, lw=2, label=area, clip_on=False)
    share = float(np.mean(labels))
    axes.axhline(share, color=GRAY, lw=1, ls="--", label=f"Share of PNEUMONIA {share:.3f}")
    point = found.classification_report["PNEUMONIA"]
    _mark_operating_point(
        axes,
        point["recall"],
        point["precision"],
        f"Threshold {found.threshold:.3f}:\n"
        f"recall {point['recall']}\n"
        f"precision {point['precision']}",
    )
    figure.legend(loc="outside upper left", frameon=False)
    return figure


def confusion_matrix(found: Performance) -> Figure:
    """The confusion matrix: counts, and percentages of the images of each label."""
    figure, axes = _square(f"Answer at threshold {found.threshold:.3f}", "Label", (5.4, 4.8))
    counts = np.array([[cell.value for cell in row] for row in found.confusion_matrix])
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        place: dict[str, Any] = {"ha": "center", "color": colour}
        axes.text(column, row, f"{counts[row, column]:,}", va="bottom", fontsize=22, **place)
        axes.text(column, row + 0.04, f"{share:.1%}", va="top", fontsize=13, **place)
    axes.set_xticks((0, 1), LABELS)
    axes.set_yticks((0, 1), LABELS, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
    axes.spines[:].set_visible(False)
    return figure


def reliability(logits: Numbers, probabilities: Numbers, labels: Numbers) -> Figure:
    """How often PNEUMONIA was right, by its probability, before and after calibration.

    In ten bins of equal width, those of the expected calibration error (ECE). A bin's bar is the
    95 % interval of Wilson 1927 (doi:10.1080/01621459.1927.10502953), which takes its images for
    independent.
    """
    figure = Figure(figsize=(6.4, 7.2), dpi=DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=GRAY, lw=1, ls="--", label="Perfectly calibrated")
    before, after = expit(np.asarray(logits, np.float64)), np.asarray(probabilities, np.float64)
    truth = np.asarray(labels, np.int64)
    # Many a pair of bars lies at one probability: the thin one is drawn over the broad one.
    for side, scores, title, looks in (
        (-1, before, "Before calibration", {"color": ORANGE, "fmt": "s", "lw": 5, "alpha": 0.5}),
        (1, after, "Calibrated", {"color": BLUE, "fmt": "o", "lw": 1.5, "capsize": 3}),
    ):
        _add_bins(upper, scores, truth, title, looks)
        counts = np.bincount(calibrate.bins(scores), minlength=calibrate.BINS)
        centres = (np.arange(calibrate.BINS) + 0.5 + 0.22 * side) / calibrate.BINS
        bars = lower.bar(centres, counts, 0.4 / calibrate.BINS, color=looks["color"])
        lower.bar_label(bars, fontsize=6.5, padding=2)
    upper.set(ylim=(0, 1), ylabel="Share with the label PNEUMONIA, with 95 % interval")
    figure.legend(loc="outside upper left", frameon=False)
    lower.margins(y=0.2)
    lower.set(xlim=(0, 1), ylabel="Images", xlabel="Probability of PNEUMONIA")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _add_bins(
    axes: Axes,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.int64],
    title: str,
    looks: Mapping[str, Any],
) -> None:
    """A dot for each bin that has images, at their mean probability and share of PNEUMONIA."""
    which = calibrate.bins(scores)
    filled, counts = np.unique(which, return_counts=True)
    mean = np.bincount(which, scores)[filled] / counts
    hits = np.bincount(which, truth)[filled]
    spans = np.array([_wilson(int(k), int(n)) for k, n in zip(hits, counts, strict=True)])
    observed = hits / counts
    (error,) = calibrate.expected_error(scores, truth, np.ones((1, len(truth))))
    axes.errorbar(
        mean,
        observed,
        yerr=np.abs(spans.T - observed),
        clip_on=False,
        label=f"{title}: ECE {error:.3f}",
        **looks,
    )


def _square(
    xlabel: str, ylabel: str, size: tuple[float, float] = (5.6, 5.4)
) -> tuple[Figure, Axes]:
    """Axes of equal scale from 0 to 1."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _mark_operating_point(axes: Axes, x: Estimate, y: Estimate, label: str) -> None:
    """A dot with the intervals of both coordinates; a bar never reaches past its dot."""
    x_bar, y_bar = ([[max(at.value - at.low, 0)], [max(at.high - at.value, 0)]] for at in (x, y))
    axes.errorbar(
        [x.value],
        [y.value],
        xerr=x_bar,
        yerr=y_bar,
        fmt="o",
        ms=7,
        lw=1.5,
        capsize=3,
        color=ORANGE,
        label=label,
        zorder=3,
        clip_on=False,
    )


def _wilson(hits: int, trials: int) -> tuple[float, float]:
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
