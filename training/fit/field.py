"""The lung field: the part of an image around both lungs, made alike in framing and in look.

Everything here is a product, a sum or a pooling, so that it runs inside the SavedModel, on both
engines and on other servers, and is differentiable. Images are `[N, h, w]`.
"""

from typing import Any

import numpy as np
from keras import ops

# What the box leaves around the lungs, as a share of their width and height.
_MARGIN = 0.06
# The share of the lungs' pixels that may lie beyond each edge of the box, before the margin.
_BEYOND = 0.004
# Of the lungs' map, in pixels: what is smaller is no lung, and by half of it the lungs are widened.
_SPECK = 5
_ALMOST_NOTHING = 1e-3


def cleaned(lungs: Any) -> Any:
    """P(lung) without specks, in 255ths: a grayscale opening, and no trace of what is no lung.

    Traces would add up along the rows of `hull`. The steps are those in which training keeps maps.
    """
    opened = _widest(-_widest(-lungs))
    return ops.round(opened * 255.0) / 255.0


def box(lungs: Any) -> Any:
    """The box around the lungs: left, top, right, bottom as shares of the image, `[N, 4]`.

    It reaches beyond the image where the lungs touch its edge, and is the whole image where there
    are none.

    Args:
        lungs: P(lung), cleaned.
    """
    edges = []
    for axis in (1, 2):
        profile = ops.sum(lungs, axis=axis) + _ALMOST_NOTHING
        share = profile / ops.sum(profile, axis=1, keepdims=True)
        size = lungs.shape[3 - axis]
        before = ops.sum(share[:, :, None] * _after(size, 1), axis=1)
        for beyond in (_BEYOND, 1 - _BEYOND):
            passed = ops.clip((beyond - before) / share, 0.0, 1.0)
            edges.append(ops.sum(passed, axis=1) / size)
    left, right, top, bottom = edges
    wide, high = _MARGIN * (right - left), _MARGIN * (bottom - top)
    return ops.stack([left - wide, top - high, right + wide, bottom + high], axis=1)


def crop(images: Any, boxes: Any, side: int) -> Any:
    """What lies in `boxes` `[N, 4]`, antialiased: `[N, side, side]`. Edges go on beyond the image.

    The interpolation is a product with two matrices made of the box.
    """
    left, top, right, bottom = (boxes[:, i] for i in range(4))
    rows = _sampling(top, bottom, images.shape[1], side)
    columns = _sampling(left, right, images.shape[2], side)
    return ops.matmul(ops.matmul(rows, images), ops.transpose(columns, (0, 2, 1)))


def uncrop(maps: Any, boxes: Any, side: int) -> Any:
    """Lay maps of the fields back into the whole images: `[N, side, side]`, 0 outside the boxes."""
    left, top, right, bottom = (boxes[:, i] for i in range(4))
    rows = _placing(top, bottom, maps.shape[1], side)
    columns = _placing(left, right, maps.shape[2], side)
    return ops.matmul(ops.matmul(rows, maps), ops.transpose(columns, (0, 2, 1)))


def gathered(lungs: Any, boxes: Any, cells: int) -> Any:
    """How much of the lungs each cell of a field holds: `[N, cells, cells]`.

    The transpose of `uncrop`, so that the sum of a map over the cells, so weighted, is that of the
    map laid back into the image and weighted by the lungs there.
    """
    left, top, right, bottom = (boxes[:, i] for i in range(4))
    rows = _placing(top, bottom, cells, lungs.shape[1])
    columns = _placing(left, right, cells, lungs.shape[2])
    return ops.matmul(ops.matmul(ops.transpose(rows, (0, 2, 1)), lungs), columns)


def hull(lungs: Any) -> Any:
    """What lies in the lungs or, in a row, between them, a little widened."""
    after = _after(lungs.shape[2], 0)
    from_left = ops.minimum(ops.matmul(lungs, after[None]), 1.0)
    from_right = ops.minimum(ops.matmul(lungs, ops.transpose(after)[None]), 1.0)
    return _widest(from_left * from_right)


def _widest(maps: Any) -> Any:
    return ops.max_pool(maps[..., None], _SPECK, 1, "same")[..., 0]


def _after(size: int, least: int) -> Any:
    """The matrix `[size, size]` that adds up, for each place, those at least `least` before it."""
    return ops.convert_to_tensor(np.triu(np.ones((size, size), np.float32), least))


def _arange(size: int) -> Any:
    return ops.convert_to_tensor(np.arange(size, dtype=np.float32))


def _sampling(low: Any, high: Any, size: int, side: int) -> Any:
    """Matrices `[N, side, size]` that sample `size` pixels between two edges `[N]`."""
    step = (high - low)[:, None] * (size / side)
    at = low[:, None] * size + (_arange(side) + 0.5) * step - 0.5
    at = ops.clip(at, 0.0, size - 1.0)
    distance = ops.abs(at[:, :, None] - _arange(size))
    weights = ops.maximum(1.0 - distance / ops.maximum(step, 1.0)[:, :, None], 0.0)
    return weights / ops.sum(weights, axis=2, keepdims=True)


def _placing(low: Any, high: Any, size: int, side: int) -> Any:
    """Matrices `[N, side, size]` that lay `size` cells between two edges `[N]` of the image."""
    at = (_arange(side) + 0.5) / side
    at = (at[None, :] - low[:, None]) / (high - low)[:, None]
    inside = ops.cast((at >= 0) & (at <= 1), "float32")[:, :, None]
    cell = ops.clip(at * size - 0.5, 0.0, size - 1.0)
    distance = ops.abs(cell[:, :, None] - _arange(size))
    return inside * ops.maximum(1.0 - distance, 0.0)
