"""Draw right and wrong answers, radiographs beside their overlays, as one PNG file."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from app.imaging.overlay import Target, overlay
from app.inference.contract import Answers
from app.reading.lungs import outline
from training.data.labelled import LABELS, Sample, read
from training.drawing import DPI

FILE_NAME = "gallery.png"

_EXAMPLES = 5
_MAX_SIDE = 400
_GAP = 0.03
# The rows: title, label, the model's answer.
_ROWS = (
    ("True positives", 1, 1),
    ("True negatives", 0, 0),
    ("False positives", 0, 1),
    ("False negatives", 1, 0),
)


def draw(samples: Sequence[Sample], found: Answers, threshold: float) -> Figure:
    """A row each of true and false positives and negatives, radiographs beside their overlays.

    Of each kind five, so that ten right and ten wrong answers are seen.

    Args:
        samples: the images, N; those shown are read again from their files.
        found: the model's answers to them.
        threshold: PNEUMONIA is answered where probability >= threshold.
    """
    labels = np.array([sample.label for sample in samples])
    scores = found.probability.astype(np.float64)
    called = scores >= threshold
    figure = Figure(figsize=(18, 8), dpi=DPI, layout="constrained")
    figure.suptitle(
        "Radiograph beside what argues for the model's answer (Grad-CAM) in the lungs' outline, "
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
            lungs = outline(found.lungs[index])
            axes.imshow(_pair(samples[index].path, found.cam[index], target, lungs))
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


def _pair(
    path: Path,
    cam: npt.NDArray[np.float32],
    target: Target,
    contours: Sequence[npt.NDArray[np.float32]],
) -> npt.NDArray[np.uint8]:
    """A radiograph and its overlay as the service draws it, RGB `[height, width, 3]`."""
    pixels = read(path).pixels
    explained = overlay(pixels, cam, target, _MAX_SIDE, contours)
    height, width = explained.shape[:2]
    plain = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    gap = np.full((height, max(1, round(width * _GAP)), 3), 255, np.uint8)
    return np.hstack([cv2.cvtColor(plain, cv2.COLOR_GRAY2RGB), gap, explained[:, :, ::-1]])
