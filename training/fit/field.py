"""The lung field: the part of an image around both lungs, made alike in framing and in look.

Everything here is a product, a sum or a pooling, so that it runs inside the SavedModel, on both
engines and on other servers, and is differentiable. Images and maps are `[N, side, side]`.
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
    size = lungs.shape[1]
    profiles = ops.stack([ops.sum(lungs, axis=axis) for axis in (1, 2)], axis=1) + _ALMOST_NOTHING
    shares = profiles / ops.sum(profiles, axis=2, keepdims=True)
    # Summed up, since a GPU multiplies matrices in TensorFloat-32.
    before = ops.sum(shares[..., None] * _after(size, 1), axis=2)
    beyond = np.array([[_BEYOND], [1 - _BEYOND]], np.float32)
    passed = ops.clip((beyond - before[:, :, None]) / shares[:, :, None], 0.0, 1.0)
    edges = ops.sum(passed, axis=3) / size
    low, high = edges[:, :, 0], edges[:, :, 1]
    margin = _MARGIN * (high - low)
    return ops.concatenate([low - margin, high + margin], axis=1)


def crop(images: Any, boxes: Any, side: int) -> Any:
    """What lies in `boxes` `[N, 4]`, antialiased: `[N, side, side]`. Edges go on beyond the image.

    The interpolation is a product with two matrices made of the box.
    """
    across, down = _sampling(boxes, images.shape[1], side)
    return ops.matmul(ops.matmul(down, images), ops.transpose(across, (0, 2, 1)))


def uncrop(maps: Any, boxes: Any, side: int) -> Any:
    """Lay maps of the fields back into the whole images: `[N, side, side]`, 0 outside the boxes."""
    across, down = _placing(boxes, maps.shape[1], side)
    return ops.matmul(ops.matmul(down, maps), ops.transpose(across, (0, 2, 1)))


def gathered(lungs: Any, boxes: Any, cells: int) -> Any:
    """How much of the lungs each cell of a field holds: `[N, cells, cells]`.

    The transpose of `uncrop`, so that the sum of a map over the cells, so weighted, is that of the
    map laid back into the image and weighted by the lungs there.
    """
    across, down = _placing(boxes, cells, lungs.shape[1])
    return ops.matmul(ops.matmul(ops.transpose(down, (0, 2, 1)), lungs), across)


def hull(lungs: Any) -> Any:
    """What lies in the lungs or, in a row, between them, a little widened."""
    after = _after(lungs.shape[2], 0)
    from_left = ops.minimum(ops.matmul(lungs, after[None]), 1.0)
    from_right = ops.minimum(ops.matmul(lungs, ops.transpose(after)[None]), 1.0)
    return _widest(from_left * from_right)


def _widest(maps: Any) -> Any:
    for size in (_SPECK, 1), (1, _SPECK):
        maps = ops.max_pool(maps[..., None], size, 1, "same")[..., 0]
    return maps


def _after(size: int, least: int) -> Any:
    """The matrix `[size, size]` that adds up, for each place, those at least `least` before it."""
    return ops.convert_to_tensor(np.triu(np.ones((size, size), np.float32), least))


def _arange(size: int) -> Any:
    return ops.convert_to_tensor(np.arange(size, dtype=np.float32))


def _sampling(boxes: Any, size: int, side: int) -> tuple[Any, Any]:
    """Matrices `[N, side, size]` that sample `size` pixels in the boxes, across and down."""
    low, high = boxes[:, :2, None], boxes[:, 2:, None]
    step = (high - low) * (size / side)
    at = low * size + (_arange(side) + 0.5) * step - 0.5
    at = ops.clip(at, 0.0, size - 1.0)
    distance = ops.abs(at[..., None] - _arange(size))
    weights = ops.maximum(1.0 - distance / ops.maximum(step, 1.0)[..., None], 0.0)
    weights = weights / ops.sum(weights, axis=3, keepdims=True)
    return weights[:, 0], weights[:, 1]


def _placing(boxes: Any, size: int, side: int) -> tuple[Any, Any]:
    """Matrices `[N, side, size]` that lay `size` cells into the boxes, across and down."""
    low, high = boxes[:, :2, None], boxes[:, 2:, None]
    at = ((_arange(side) + 0.5) / side - low) / (high - low)
    inside = ops.cast((at >= 0) & (at <= 1), "float32")[..., None]
    cell = ops.clip(at * size - 0.5, 0.0, size - 1.0)
    distance = ops.abs(cell[..., None] - _arange(size))
    weights = inside * ops.maximum(1.0 - distance, 0.0)
    return weights[:, 0], weights[:, 1]
