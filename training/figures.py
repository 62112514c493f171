"""Draw what `evaluate` measures, as PNG files of 150 dpi in colour-blind safe colours.

Figures are built with matplotlib's `Figure`, which draws with Agg: no display, no global state.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve, roc_curve

from app.imaging.decode import decode
from app.imaging.overlay import Target, overlay
from training.data import LABELS, Sample

Numbers = npt.NDArray[np.floating[Any]] | npt.NDArray[np.integer[Any]]

ROC, PRECISION_RECALL = "roc.png", "precision_recall.png"
CONFUSION_MATRIX, RELIABILITY = "confusion_matrix.png", "reliability.png"
GALLERY = "gallery.png"

_DPI = 150
_BINS = 10
_EXAMPLES = 4
_MAX_SIDE = 400
_GAP = 0.03
# Okabe and Ito's palette, https://jfly.uni-koeln.de/color/.
_BLUE, _ORANGE, _GRAY = "#0072B2", "#D55E00", "#777777"
# The gallery's rows: title, label, the model's answer.
_ROWS = (
    ("True positives", 1, 1),
    ("True negatives", 0, 0),
    ("False positives", 0, 1),
    ("False negatives", 1, 0),
)


def write(
    folder: Path, probabilities: Numbers, labels: Numbers, metrics: Mapping[str, Any]
) -> None:
    """Write the ROC and precision-recall curves, the confusion matrix and the reliability diagram.

    Args:
        folder: made if need be; figures in it are overwritten.
        probabilities: `[N]`, calibrated P(PNEUMONIA).
        labels: `[N]` of 0 and 1.
        metrics: what `evaluate.measure` returned for them.
    """
    save(roc(probabilities, labels, metrics), folder / ROC)
    save(precision_recall(probabilities, labels, metrics), folder / PRECISION_RECALL)
    save(confusion_matrix(metrics), folder / CONFUSION_MATRIX)
    save(reliability(probabilities, labels), folder / RELIABILITY)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", pad_inches=0.1)


def with_interval(metrics: Mapping[str, Any], key: str) -> str:
    """One of `evaluate.measure`'s scalars in words, such as `0.998 (0.995 to 1.000)`."""
    return _span(metrics[key], metrics["intervals"][key])


def roc(probabilities: Numbers, labels: Numbers, metrics: Mapping[str, Any]) -> Figure:
    """The ROC curve, with the operating point and the intervals of its two coordinates."""
    figure, axes = _square("1 - specificity (false positive rate)", "Sensitivity (recall)")
    false_positive, true_positive, _ = roc_curve(labels, probabilities, drop_intermediate=False)
    area = f"AUC {with_interval(metrics, 'roc_auc')}"
    axes.plot(false_positive, true_positive, color=_BLUE, lw=2, label=area, clip_on=False)
    axes.plot([0, 1], [0, 1], color=_GRAY, lw=1, ls="--", label="Chance")
    spans = metrics["intervals"]
    _mark_operating_point(
        axes,
        (1 - metrics["specificity"], metrics["sensitivity"]),
        ([1 - edge for edge in reversed(spans["specificity"])], spans["sensitivity"]),
        f"Threshold {metrics['threshold']:.3f}:\n"
        f"sensitivity {with_interval(metrics, 'sensitivity')}\n"
        f"specificity {with_interval(metrics, 'specificity')}",
    )
    axes.legend(loc="lower right", frameon=False)
    return figure


def precision_recall(probabilities: Numbers, labels: Numbers, metrics: Mapping[str, Any]) -> Figure:
    """The precision-recall curve; its area is the average precision."""
    titles = "Recall (sensitivity)", "Precision (positive predictive value)"
    figure, axes = _square(*titles, (5.6, 6.4))
    precision, recall, _ = precision_recall_curve(labels, probabilities)
    area = f"Average precision {with_interval(metrics, 'pr_auc')}"
    # The area sums precision times the step in recall that led to it: a staircase.
    axes.step(recall, precision, where="post", color=_BLUE, lw=2, label=area, clip_on=False)
    share = float(np.mean(labels))
    axes.axhline(share, color=_GRAY, lw=1, ls="--", label=f"Share of PNEUMONIA {share:.3f}")
    found, spans = metrics["classification_report"], metrics["intervals"]
    point = found["PNEUMONIA"]
    edges = spans["classification_report"]["PNEUMONIA"]
    _mark_operating_point(
        axes,
        (point["recall"], point["precision"]),
        (edges["recall"], edges["precision"]),
        f"Threshold {metrics['threshold']:.3f}:\n"
        f"recall {with_interval(metrics, 'sensitivity')}\n"
        f"precision {_span(point['precision'], edges['precision'])}",
    )
    figure.legend(loc="outside upper left", frameon=False)
    return figure


def confusion_matrix(metrics: Mapping[str, Any]) -> Figure:
    """The confusion matrix: counts, and percentages of the images of each label."""
    figure, axes = _square(f"Answer at threshold {metrics['threshold']:.3f}", "Label", (5.4, 4.8))
    counts = np.array(metrics["confusion_matrix"])
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


def reliability(probabilities: Numbers, labels: Numbers) -> Figure:
    """How often PNEUMONIA was right, by calibrated probability, in ten bins of equal width.

    A bin's bar is the 95 % interval of Wilson 1927 (doi:10.1080/01621459.1927.10502953), which
    takes its images for independent.
    """
    figure = Figure(figsize=(5.6, 6.6), dpi=_DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    scores, truth = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    which = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(which, minlength=_BINS)
    filled = np.flatnonzero(counts)
    mean = np.bincount(which, scores, _BINS)[filled] / counts[filled]
    hits = np.bincount(which, truth, _BINS)[filled]
    spans = np.array([_wilson(int(k), int(n)) for k, n in zip(hits, counts[filled], strict=True)])
    observed = hits / counts[filled]
    upper.plot([0, 1], [0, 1], color=_GRAY, lw=1, ls="--", label="Perfectly calibrated")
    upper.errorbar(
        mean,
        observed,
        yerr=np.abs(spans.T - observed),
        fmt="o",
        color=_BLUE,
        lw=1.5,
        capsize=3,
        clip_on=False,
        label="Images of a bin, with 95 % interval",
    )
    upper.set(ylim=(0, 1), ylabel="Share with the label PNEUMONIA")
    figure.legend(loc="outside upper left", frameon=False)
    bars = lower.bar((np.arange(_BINS) + 0.5) / _BINS, counts, 0.9 / _BINS, color=_BLUE)
    lower.bar_label(bars, [f"{count:,}" for count in counts], fontsize=8.5, padding=2)
    lower.margins(y=0.2)
    lower.set(xlim=(0, 1), ylabel="Images", xlabel="Calibrated probability of PNEUMONIA")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def gallery(
    samples: Sequence[Sample],
    probabilities: Numbers,
    cams: npt.NDArray[np.float32],
    threshold: float,
) -> Figure:
    """A row each of true and false positives and negatives, radiographs beside their overlays.

    Args:
        samples: the images, N; those shown are read again from their files.
        probabilities: `[N]`, calibrated P(PNEUMONIA).
        cams: the model's `cam` output, `[N, h, w]`.
        threshold: PNEUMONIA is answered where probability >= threshold.
    """
    labels = np.array([sample.label for sample in samples])
    scores = np.asarray(probabilities, np.float64)
    called = scores >= threshold
    figure = Figure(figsize=(15, 8), dpi=_DPI, layout="constrained")
    figure.suptitle(
        "Radiograph beside what argues for the model's answer (Grad-CAM), "
        f"with P(PNEUMONIA); threshold {threshold:.3f}"
    )
    grid = figure.subplots(len(_ROWS), 1 + _EXAMPLES, width_ratios=(1.3, *[3] * _EXAMPLES))
    for axes in grid.flat:
        axes.axis("off")
    for cells, (title, label, answer) in zip(grid, _ROWS, strict=True):
        members = np.flatnonzero((labels == label) & (called == answer))
        of = int((labels == label).sum())
        heading = f"{title}\n{len(members):,} of {of:,}\n{LABELS[label]}"
        cells[0].text(0, 0.5, heading, va="center", transform=cells[0].transAxes)
        if not len(members):
            cells[1].text(0, 0.5, "No example.", va="center", transform=cells[1].transAxes)
        target: Target = "pneumonia" if answer else "normal"
        chosen = _choose(members, scores, label, answer)
        for axes, index in zip(cells[1:], chosen, strict=False):
            axes.imshow(_pair(samples[index].path, cams[index], target))
            axes.set_title(_in_words(scores[index]), fontsize=10, pad=3)
    return figure


def _choose(
    members: npt.NDArray[np.intp], probabilities: npt.NDArray[np.float64], label: int, answer: int
) -> npt.NDArray[np.intp]:
    """Of wrong answers the most confident ones; of right ones some spread over the probabilities.

    Returns indices, the most confident first; the same input gives the same choice.
    """
    confidence = probabilities[members] if answer else -probabilities[members]
    ranked = members[np.argsort(-confidence, kind="stable")]
    if label != answer or len(ranked) <= _EXAMPLES:
        return ranked[:_EXAMPLES]
    left = list(ranked)
    first, last = probabilities[ranked[[0, -1]]]
    for wanted in np.linspace(first, last, _EXAMPLES):
        left.remove(min(left, key=lambda index: abs(probabilities[index] - wanted)))
    return ranked[~np.isin(ranked, left)]


def _in_words(probability: float) -> str:
    """The probability to three digits, which never says that the model was certain."""
    if probability < 0.0005:
        return "P < 0.001"
    return "P > 0.999" if probability >= 0.9995 else f"P = {probability:.3f}"


def _pair(path: Path, cam: npt.NDArray[np.float32], target: Target) -> npt.NDArray[np.uint8]:
    """A radiograph and its overlay side by side, RGB `[height, width, 3]`."""
    pixels = decode(path.read_bytes()).pixels
    explained = overlay(pixels, cam, target, _MAX_SIDE)
    height, width = explained.shape[:2]
    plain = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    gap = np.full((height, max(1, round(width * _GAP)), 3), 255, np.uint8)
    return np.hstack([cv2.cvtColor(plain, cv2.COLOR_GRAY2RGB), gap, explained[:, :, ::-1]])


def _square(
    xlabel: str, ylabel: str, size: tuple[float, float] = (5.6, 5.4)
) -> tuple[Figure, Axes]:
    """Axes of equal scale from 0 to 1."""
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _mark_operating_point(
    axes: Axes,
    point: tuple[float, float],
    spans: tuple[Sequence[float], Sequence[float]],
    label: str,
) -> None:
    """A dot with the intervals of both coordinates; a bar never reaches past its dot."""
    x, y = point
    x_bar, y_bar = (
        [[max(at - low, 0)], [max(high - at, 0)]]
        for at, (low, high) in zip(point, spans, strict=True)
    )
    axes.errorbar(
        [x],
        [y],
        xerr=x_bar,
        yerr=y_bar,
        fmt="o",
        ms=7,
        lw=1.5,
        capsize=3,
        color=_ORANGE,
        label=label,
        zorder=3,
        clip_on=False,
    )


def _span(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _wilson(hits: int, trials: int) -> tuple[float, float]:
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
