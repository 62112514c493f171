"""Kernels of 8 bits that change least what their convolutions give.

The nearest whole number is the best one for a number of a kernel alone. But a filter adds up, and
what rounding one number does to the sum, the others can make up for (GPTQ, Frantar 2022,
arXiv:2210.17323).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.inference.contract import Floats
from app.inference.openvino_graph import MOST
from app.inference.silent_openvino import ov
from training.export.nodes import compute

_TINY = np.finfo(np.float32).tiny
# Of the widest of a filter's numbers, what its levels may reach to; what lies beyond is cut off.
_SHARES = np.linspace(0.5, 1, 26, dtype=np.float32)
# Added to each variance, as a share of their mean, so that the matrix can be inverted.
_DAMPING = 0.01
_BATCH = 32


class Seen(NamedTuple):
    """What the filters of a convolution see at a place: as many numbers as a filter has.

    Attributes:
        mean: `[numbers]`.
        covariance: `[numbers, numbers]`.
    """

    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]

    def divided(self, scale: Floats) -> "Seen":
        """What they see where the channels are divided by a scale, `[channels]`."""
        by = np.repeat(scale.astype(np.float64), len(self.mean) // len(scale))
        return Seen(self.mean / by, self.covariance / np.outer(by, by))


class Rounded(NamedTuple):
    """A kernel in 8 bits.

    Attributes:
        whole: -64 to 64, of the kernel's shape.
        step: of each filter, that they are multiplied by, `[filters, 1, 1, 1]`.
        shift: to be added to what each filter gives, so that its mean is kept, `[filters]`.
    """

    whole: npt.NDArray[np.int8]
    step: Floats
    shift: Floats


def seen(model: ov.Model, convolution: ov.Node, images: npt.NDArray[np.uint8]) -> Seen:
    """What a convolution's filters see of images, uint8 `[N, 224, 224, 1]`."""
    _, channels, side, _ = convolution.get_input_shape(1)
    stride = convolution.get_attributes()["strides"][0]
    size = channels * side * side
    total, products, places = np.zeros(size), np.zeros((size, size)), 0
    (maps,) = compute(model, [convolution.input_value(0)], images)
    origin = _windows(maps[:1], side, stride).mean(axis=0)
    for start in range(0, len(maps), _BATCH):
        # Near 0, where the difference below loses nothing.
        windows = _windows(maps[start : start + _BATCH], side, stride) - origin
        total += windows.sum(axis=0, dtype=np.float64)
        products += windows.T @ windows
        places += len(windows)
    mean = total / places
    return Seen(origin + mean, products / places - np.outer(mean, mean))


def round_kernel(kernel: Floats, inputs: Seen) -> Rounded:
    """Round a kernel `[filters, channels, side, side]`.

    Each filter has the step by which rounding to the nearest would lose least, in squares.
    """
    widest = np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), _TINY)
    steps = np.multiply.outer(_SHARES, widest / MOST)
    lost = [np.square(_whole(kernel / s) * s - kernel).sum(axis=(1, 2, 3)) for s in steps]
    step = steps[np.argmin(lost, axis=0), np.arange(len(kernel))]
    exact = (kernel / step).reshape(len(kernel), -1).astype(np.float64)
    whole = _rounded_in_turn(exact, inputs.covariance)
    shift = (exact - whole) @ inputs.mean * step.ravel()
    return Rounded(whole.reshape(kernel.shape).astype(np.int8), step, shift.astype(np.float32))


def _rounded_in_turn(
    exact: npt.NDArray[np.float64], covariance: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Round one column after the other, the most varied first; those to come make up for it.

    Args:
        exact: `[filters, numbers]`.
        covariance: of what they are multiplied by, `[numbers, numbers]`.
    """
    order = np.argsort(-np.diag(covariance))
    variance = np.diag(covariance).mean() or 1.0
    damped = covariance + _DAMPING * variance * np.eye(len(covariance))
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    left, whole = exact[:, order], np.empty_like(exact)
    for column, row in enumerate(factor):
        whole[:, order[column]] = found = _whole(left[:, column])
        lost = (left[:, column] - found) / row[column]
        left[:, column + 1 :] -= np.outer(lost, row[column + 1 :])
    return whole


def _whole(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.clip(np.rint(values), -MOST, MOST)


def _windows(maps: Floats, side: int, stride: int) -> Floats:
    """What a filter of a side sees, `[places, numbers]`, of maps `[N, channels, h, w]` in zeros."""
    around = (side - 1) // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (around, around), (around, around)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    views = views[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
    return views.reshape(-1, maps.shape[1] * side * side)
