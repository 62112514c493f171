"""What a map of the lungs says: whether there are any, where, and what of the evidence is in them.

A map is the model's `lungs` output of one image: float32 `[h, w]`, P(lung) of each place, in the
frame of the whole image.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from app.imaging.overlay import Target
from model_store.manifest import LungCriteria

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]

_LUNG = 0.5
_LUNGS = 2
# A smaller component, relative to the largest, is no lung of its own.
_LEAST_LUNG = 0.1
# A lung that meets this share of an edge goes on beyond it. Less is the corner of a full picture.
_CUT = 0.04
# Evidence is smooth: what belongs to a lung's rim may lie a little outside.
_RIM = 5 / 224
# How much finer than the map an outline is traced.
FINER = 4


class Box(NamedTuple):
    """Where something is, in shares of the image's width and height, from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Lungs:
    """What was found.

    Attributes:
        found: whether there are lungs; the rest tells of nothing where there are none.
        box: around them.
        cut_off: whether they go on beyond the edge of the image.
        share: of the image, that they cover.
    """

    found: bool
    box: Box | None = None
    cut_off: bool = False
    share: float = 0.0


class Measure(NamedTuple):
    """What lungs are told by: the share of the image that they cover, and their mean P(lung)."""

    share: float
    certainty: float


def find(lungs: Floats, criteria: LungCriteria) -> Lungs:
    """The lungs of a map, where there are any by the criteria."""
    mask = mask_of(lungs)
    share, certainty = _measure(lungs, mask)
    if share < criteria.least_share or certainty < criteria.least_certainty or not mask.any():
        return Lungs(found=False)
    height, width = mask.shape
    left, top, wide, high = cv2.boundingRect(mask)
    box = Box(left / width, top / height, (left + wide) / width, (top + high) / height)
    edges = mask[0], mask[-1], mask[:, 0], mask[:, -1]
    return Lungs(True, box, any(edge.mean() > _CUT for edge in edges), share)


def measure(lungs: Floats) -> Measure:
    """How large, and how certain, the lungs of a map are; 0 and 0 where there is nothing."""
    return _measure(lungs, mask_of(lungs))


def _measure(lungs: Floats, mask: Mask) -> Measure:
    return Measure(cv2.countNonZero(mask) / mask.size, cv2.mean(lungs, mask)[0])


def mask_of(lungs: Floats) -> Mask:
    """Which places of a map are lung, uint8 `[h, w]` of 0 and 1.

    They are likelier lung than not, and belong to one of the two largest components, of which the
    smaller has at least a tenth of the larger one's area.
    """
    likely: Mask = (lungs >= _LUNG).view(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(likely)
    # The first component is what is no lung.
    areas = dict(enumerate(statistics[1:, cv2.CC_STAT_AREA].tolist(), start=1))
    largest = sorted(areas, key=areas.__getitem__, reverse=True)[:_LUNGS]
    kept = [label for label in largest if areas[label] >= _LEAST_LUNG * areas[largest[0]]]
    if len(kept) == len(areas):
        return likely
    mask: Mask = np.isin(labels, kept).view(np.uint8)
    return mask


def outline(lungs: Floats) -> list[Floats]:
    """The contours of the lungs of a map.

    Returns:
        Closed curves, each float32 `[points, 2]`, x and y in shares of the image's width and
        height. They run where P(lung) is a half between the map's places, not along these.
    """
    height, width = lungs.shape
    return traced(mask_at(lungs, (FINER * width, FINER * height)))


def mask_at(lungs: Floats, size: tuple[int, int]) -> Mask:
    """The mask of `mask_of` between the map's places, where P(lung) is at least a half.

    Args:
        lungs: the map.
        size: width and height of the mask, in pixels.

    Returns:
        uint8 `[height, width]` of 0 and 1.
    """
    # Grown by one place, so that it only chooses the components and cuts no curve.
    chosen = cv2.resize(cv2.dilate(mask_of(lungs), np.ones((3, 3))), size, None, 0, 0, 0)
    fine = (cv2.resize(lungs, size, interpolation=cv2.INTER_LINEAR) >= _LUNG) & (chosen > 0)
    mask: Mask = fine.view(np.uint8)
    return mask


def traced(mask: Mask) -> list[Floats]:
    """The outer contours of a mask, as `outline` gives them.

    Args:
        mask: uint8 `[height, width]` of 0 and 1.
    """
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Points are the middles of places.
    return [((curve[:, 0] + 0.5) / mask.shape[::-1]).astype(np.float32) for curve in found]


def evidence_in_lungs(cam: Floats, lungs: Floats, target: Target) -> float | None:
    """The share of what argues for a label that lies in the lungs or at their rim.

    Args:
        cam: the model's `cam` output, float32 `[h, w]`.
        lungs: the map, of the same size.
        target: ReLU(cam) argues for pneumonia, ReLU(-cam) for normal.

    Returns:
        0 to 1, or None where nothing argues for the label.
    """
    evidence = np.maximum(cam if target == "pneumonia" else -cam, 0).astype(np.float64)
    total = evidence.sum()
    if total == 0:
        return None
    outside = 1 - mask_of(lungs)
    if outside.all():
        return 0.0
    away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(evidence[away <= _RIM * max(outside.shape)].sum() / total)
