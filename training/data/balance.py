"""How much each image counts, so that its set tells nothing of its label."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.data.labelled import Sample


def weights(samples: Sequence[Sample]) -> npt.NDArray[np.float32]:
    """The weights `[N]`, of mean 1.

    Within a label each sample counts by its own weight; every label of every set counts alike.
    """
    own = np.array([sample.weight for sample in samples])
    cells = [(sample.source, sample.label) for sample in samples]
    totals = {cell: own[[c == cell for c in cells]].sum() for cell in set(cells)}
    counted = own / np.array([totals[cell] for cell in cells])
    return np.asarray(counted * len(counted) / len(totals), np.float32)
