"""What an image's acquisition alone says about its label, which no model should lean on.

The two labels of a set are often taken, cropped or stored differently. A network that reads the
difference looks excellent on images held out of the same set, and fails where the habits of the
next hospital are other ones (Zech 2018, doi:10.1371/journal.pmed.1002683; DeGrave 2021,
doi:10.1038/s42256-021-00338-7). So a classifier is given only what is not lung: the image's edge
and its sharpness. Where that classifier is wrong about a held-out image, acquisition argues against
the label, and a network that is right there has read something else.
"""

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from training.data import labelled

AGAINST_SHARE = 0.2

_SEED = 0
_FOLDS = 5
_STRIP = 8
_DARK = 10
_MARGIN = 40
_BLOCK = 8

Floats = npt.NDArray[np.float64]


def features(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Mean, dark share and spread of the four edges, then sharpness and JPEG blocks: `[N, 16]`.

    Args:
        pixels: `[N, height, width, 1]`.
    """
    return np.array([[*_edges(image[..., 0]), *_sharpness(image[..., 0])] for image in pixels])


def has_enough_patients(images: labelled.Images) -> bool:
    """Whether `probability` can be fitted: to five patients of each label, or more."""
    by_label: list[set[str]] = [set(), set()]
    for sample in images.samples:
        by_label[sample.label].add(sample.patient)
    return all(len(patients) >= _FOLDS for patients in by_label)


def probability(images: labelled.Images) -> Floats:
    """P(PNEUMONIA) of each image by its acquisition, from a fit to other patients: `[N]`."""
    return _by_other_patients(features(images.pixels), images)


def against(probabilities: Floats, labels: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """The fifth of each label's images whose acquisition argues most against the label: `[N]`."""
    wrong = np.abs(labels - probabilities)
    chosen = np.zeros(len(labels), bool)
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        count = round(len(members) * AGAINST_SHARE)
        chosen[members[np.argsort(-wrong[members], kind="stable")[:count]]] = True
    return chosen


def _by_other_patients(seen: Floats, images: labelled.Images) -> Floats:
    found: Floats = cross_val_predict(
        _classifier(),
        seen,
        images.labels.astype(int),
        groups=images.patients,
        cv=StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=_SEED),
        method="predict_proba",
    )[:, 1]
    return found


def _classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=150, random_state=_SEED)


def _edges(image: npt.NDArray[np.uint8]) -> list[float]:
    strips = image[:_STRIP], image[-_STRIP:], image[:, :_STRIP], image[:, -_STRIP:]
    return [
        float(figure)
        for strip in strips
        for figure in (strip.mean(), (strip < _DARK).mean(), strip.std())
    ]


def _sharpness(image: npt.NDArray[np.uint8]) -> list[float]:
    """The detail in two octaves, how much of it is outliers, and steps at JPEG's block edges."""
    centre = image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].astype(np.float32)
    soft, softer = (cv2.GaussianBlur(centre, (0, 0), sigma) for sigma in (1, 2))
    fine, coarse = centre - soft, soft - softer
    steps = np.abs(np.diff(centre, axis=1))
    by_column = [steps[:, start::_BLOCK].mean() for start in range(_BLOCK)]
    return [
        float(np.median(np.abs(fine))),
        float(np.median(np.abs(coarse))),
        float(fine.std() / (coarse.std() + 1e-6)),
        float(max(by_column) / (np.mean(by_column) + 1e-6)),
    ]
