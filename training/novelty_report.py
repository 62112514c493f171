"""How well the novelty warning tells real chest X-rays from what is none, in numbers and pictures.

The numbers of what is drawn say that nothing gross is missed; a drawn hand is easier to tell from
a chest than a real one may be.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from app.inference.engine import Engine
from training import negatives
from training.answers import infer

Numbers = npt.NDArray[np.floating[Any]]

FILE_NAME = "not_chest_xrays.png"

_DPI = 72
_COLUMNS = 5


def measure(
    engine: Engine, real: Numbers, kinds: Mapping[str, negatives.Gray], limit: float
) -> dict[str, Any]:
    """The novelty of held-out chest X-rays against that of every kind of what is none.

    Args:
        engine: the served model.
        real: `[N]`, its novelty of chest X-rays of patients that it has not seen.
        kinds: uint8 `[M, 224, 224, 1]` by kind, as `negatives` draws them.
        limit: the manifest's; a novelty above it is warned of.

    Returns:
        `real`: their number as `images`, and the share `warned`; `kinds`: for each kind its number
        of `images`, the `auroc` of telling it from the real ones, and the share `warned`.
    """
    return {
        "real": {"images": len(real), "warned": float((real > limit).mean())},
        "kinds": {
            kind: separation(real, infer(engine, images).novelty, limit)
            for kind, images in kinds.items()
        },
    }


def separation(real: Numbers, novel: Numbers, limit: float) -> dict[str, Any]:
    """How novelties `[M]` of one kind stand out from those `[N]` of real chest X-rays."""
    is_novel = np.repeat((0, 1), (len(real), len(novel)))
    return {
        "images": len(novel),
        "auroc": float(roc_auc_score(is_novel, np.concatenate([real, novel]))),
        "warned": float((novel > limit).mean()),
    }


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
