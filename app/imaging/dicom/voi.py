"""The values of interest: which are black, which white (PS3.3, C.11.2)."""

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from app.imaging.dicom import attributes
from app.imaging.dicom.lut import Floats, first_table, lookup

# The share of an image's values that a window of our own leaves out at either end: the edges of
# the collimator and markers of lead would else take most of the range.
_LEFT_OUT = 0.005


def apply(values: Floats, dataset: Dataset, *, little_endian: bool) -> Floats | None:
    """Values through the dataset's first VOI LUT, or else its first window.

    Args:
        values: in the units of the modality, `[values]`.
        dataset: with the elements of the VOI LUT module.
        little_endian: the order of a LUT's bytes.

    Returns:
        Of each value, 0 (black) to 1 (white); None where there is no LUT and no window, or one
        that is not of two numbers, the width a positive one.

    Raises:
        UnreadableImageError: the LUT is shorter than it says.
    """
    table = first_table(dataset, "VOILUTSequence")
    if table:
        entries, bits = lookup(values, *table, little_endian=little_endian)
        return stretched(entries, 0, 2**bits - 1)
    center, width = (attributes.number(dataset, name) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        return None
    return windowed(values, center, width, attributes.code(dataset, "VOILUTFunction"))


def ends(dataset: Dataset) -> tuple[float, float] | None:
    """The black and the white of the dataset's first window, where that is all that applies.

    Returns:
        The values from which on all is black and white, in the units of the modality; None where a
        VOI LUT or a sigmoid bends what is between them, and where there is no window to be used.
    """
    if first_table(dataset, "VOILUTSequence"):
        return None
    center, width = (attributes.number(dataset, name) for name in ("WindowCenter", "WindowWidth"))
    function = attributes.code(dataset, "VOILUTFunction")
    if center is None or width is None or width <= 0 or function == "SIGMOID":
        return None
    if function == "LINEAR_EXACT":
        return center - width / 2, center + width / 2
    if width < 1:
        return None
    # A step lies between whole numbers, which values mostly are.
    return center - width / 2, center + (width / 2 - 1 if width > 1 else width / 2)


def windowed(values: Floats, center: float, width: float, function: str) -> Floats | None:
    """Values in a window (PS3.3, C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: `[values]`.
        center: of the window.
        width: of the window.
        function: `LINEAR`, `LINEAR_EXACT` or `SIGMOID`; another is taken for the first.

    Returns:
        Of each value, 0 to 1; None where the function does not know such a width.
    """
    if width <= 0 or (width < 1 and function not in ("LINEAR_EXACT", "SIGMOID")):
        return None
    if function == "SIGMOID":
        # 1 / (1 + exp(-4 (x - c) / w)), in terms that do not overflow.
        return (1 + np.tanh(2 * (values - center) / width)) / 2
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def robust_range(values: Floats, counts: npt.NDArray[np.intp]) -> tuple[float, float]:
    """The black and the white of an image that comes without a window.

    Args:
        values: `[values]`.
        counts: how many of the image's pixels have each value, `[values]`.

    Returns:
        The values that leave out 0.5 % of the pixels at either end.
    """
    found = counts > 0
    if not found.any():
        return 0.0, 0.0
    order = np.argsort(values[found])
    ascending = values[found][order]
    share = np.cumsum(counts[found][order]) / counts.sum()
    black, white = np.searchsorted(share, [_LEFT_OUT, 1 - _LEFT_OUT])
    if ascending[black] == ascending[white]:
        black, white = 0, -1
    return float(ascending[black]), float(ascending[white])


def stretched(values: Floats, black: float, white: float) -> Floats:
    """Values from `black` (0) to `white` (1); all of them 0 where these are the same."""
    shown: Floats = np.clip((values - black) / ((white - black) or np.inf), 0, 1)
    return shown
