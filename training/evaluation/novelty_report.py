"""How well the service tells real chest X-rays from what is none, in numbers and pictures.

The numbers of what is drawn say that nothing gross is missed; a drawn hand is easier to tell from
a chest than a real one may be.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from app.inference.contract import Answers
from model_store.manifest import Calibration
from training.data import negatives
from training.evaluation import suitability
from training.evaluation.answers import Answering, infer
from training.evaluation.measured import NoChest, Novelty

Numbers = npt.NDArray[np.floating[Any]]

FILE_NAME = "not_chest_xrays.png"

_DPI = 72
_COLUMNS = 5


def measure(
    engine: Answering,
    real: Answers,
    kinds: Mapping[str, negatives.Gray],
    calibration: Calibration,
) -> Novelty:
    """What is found strange in held-out chest X-rays, and in every kind of what is none.

    Args:
        engine: the served model.
        real: its answers to chest X-rays of patients that it has not seen.
        kinds: uint8 `[M, 224, 224, 1]` by kind, as `negatives` draws them.
        calibration: the manifest's.
    """
    told = {}
    for kind, images in kinds.items():
        found = infer(engine, images)
        shares = suitability.shares(suitability.judge(found, calibration))
        told[kind] = NoChest(**vars(shares), auroc=separation(real.novelty, found.novelty))
    return Novelty(suitability.shares(suitability.judge(real, calibration)), told)


def separation(real: Numbers, novel: Numbers) -> float:
    """How well novelties `[M]` of one kind stand out from those `[N]` of real chest X-rays."""
    is_novel = np.repeat((0, 1), (len(real), len(novel)))
    return float(roc_auc_score(is_novel, np.concatenate([real, novel])))


def contact_sheet(kinds: Mapping[str, negatives.Gray]) -> Figure:
    """The first image of each kind.

    Args:
        kinds: uint8 `[M, 224, 224, 1]` by kind; to publish it, take `negatives.unrelated`, in which
            no patient is shown.
    """
    rows = -(-len(kinds) // _COLUMNS)
    figure = Figure(figsize=(2.4 * _COLUMNS, 2.7 * rows), dpi=_DPI, layout="constrained")
    cells = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, (kind, images) in zip(cells, kinds.items(), strict=False):
        axes.imshow(images[0, :, :, 0], cmap="gray", vmin=0, vmax=255)
        axes.set_title(kind.replace("_", " "), fontsize=11, pad=4)
    return figure
