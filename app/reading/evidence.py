"""The core of the evidence for pneumonia: where it is strongest in the lungs."""

import cv2
import numpy as np

from app.reading.lungs import FINER, Floats, mask_at, traced

# Of the evidence's peak in the lungs.
LEAST = 0.5
# A smaller region, relative to the largest, is left out.
_LEAST_REGION = 0.1


def core(cam: Floats, lungs: Floats) -> list[Floats]:
    """The regions of the lungs in which the evidence is at least half of its peak in the lungs.

    Evidence is where the model looked. Such a region is no outline of a lesion, and its edge is
    only as sharp as the map.

    Args:
        cam: the model's `cam` output of one image, float32 `[h, w]`; ReLU(cam) is the evidence.
        lungs: its `lungs` output, of the same size.

    Returns:
        The regions, the largest first, without those of less than a tenth of its area. Each is a
        simple closed curve, float32 `[points, 2]`, x and y in shares of the image's width and
        height, and does not repeat its first point. None where nothing in the lungs argues for
        pneumonia.
    """
    height, width = cam.shape
    size = FINER * width, FINER * height
    inside = mask_at(lungs, size)
    # As an overlay interpolates it.
    evidence = cv2.resize(cam, size, interpolation=cv2.INTER_CUBIC) * inside
    peak = evidence.max()
    if peak <= 0:
        return []
    curves = traced((evidence >= LEAST * peak).view(np.uint8))
    areas = [cv2.contourArea(curve) for curve in curves]
    least = _LEAST_REGION * max(areas)
    # Of two points or fewer, there is no area.
    chosen = sorted((area, number) for number, area in enumerate(areas) if area > least)
    return [_simplified(curves[number], 0.5 / max(size)) for _, number in reversed(chosen)]


def _simplified(curve: Floats, tolerance: float) -> Floats:
    simple: Floats = cv2.approxPolyDP(curve, tolerance, True)[:, 0]
    return simple
