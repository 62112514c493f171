"""What the classifier sees: the lung field in one framing and two looks, and where it has lungs."""

from typing import Any

import keras
import numpy as np
from keras import ops

from training.fit import field

# What lies outside the lungs, in gray levels: near the mean of ImageNet's images.
GRAY = 117.0
LOOKS = 2
# Red is the first look, green the second one, blue their mean.
COLOURS = np.array([[1, 0, 0.5], [0, 1, 0.5]], np.float32)
_DEVIATION = 50.0
_LEAST_DEVIATION = 2.0
_ALMOST_NOTHING = 1e-3
# What is local, as a share of the field's side: the deviation of a Gaussian.
_LOCAL = 16 / 224
_COARSER = 4


@keras.saving.register_keras_serializable("pneumoscope")
class LungField(keras.layers.Layer):
    """Crop images to the field around the lungs, and show it in two looks.

    The first look has the same mean and deviation inside the lungs for every image, the second one
    around every place, so that exposure, contrast and the tone curve tell little. What lies outside
    the lungs and not between them is gray, so that arms, chin, letters and borders tell nothing.

    In training the box is moved and sized at random, with the standard deviation `jitter` as a
    share of its sides.

    Takes images 0..255 `[N, h, w, 1]` and P(lung) `[N, h', w', 1]`, cleaned, and gives

    - the field, 0..255 `[N, side, side, 2]`;
    - how much of the lungs each cell holds, `[N, cells, cells, 1]`: what a map's cell counts for;
    - the box, left, top, right, bottom as shares of the image, `[N, 4]`.
    """

    def __init__(
        self, side: int, cells: int, jitter: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.side, self.cells, self.jitter, self.seed = side, cells, jitter, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, lungs: Any, training: bool = False) -> tuple[Any, Any, Any]:
        lungs = lungs[..., 0]
        boxes = field.box(lungs)
        if training and self.jitter:
            boxes = self._moved(boxes)
        inside = field.crop(field.hull(lungs), boxes, self.side)
        shown = field.crop(images[..., 0], boxes, self.side)
        cells = field.gathered(lungs, boxes, self.cells)
        # Side by side, as most engines have them, and not pixel by pixel: that takes them long.
        looks = ops.stack([alike(shown, inside), locally_alike(shown, inside)], axis=1)
        looks = ops.transpose(looks, (0, 2, 3, 1))
        return looks, cells[..., None], boxes

    def _moved(self, boxes: Any) -> Any:
        low, high = boxes[:, :2], boxes[:, 2:]
        shift, size = (
            keras.random.normal(ops.shape(low), 0.0, self.jitter, seed=self.generator)
            for _ in range(2)
        )
        centre = (low + high) / 2 + shift * (high - low)
        half = (high - low) / 2 * ops.exp(1.5 * size)
        return ops.concatenate([centre - half, centre + half], axis=1)

    def get_config(self) -> dict[str, Any]:
        own = {"side": self.side, "cells": self.cells, "jitter": self.jitter, "seed": self.seed}
        return {**super().get_config(), **own}


def alike(images: Any, inside: Any) -> Any:
    """Images with the same mean and deviation inside, and gray outside.

    Args:
        images: 0..255, `[N, side, side]`.
        inside: how much each place counts, 0..1, `[N, side, side]`.
    """
    centred = (images - _mean(images, inside)) * inside
    deviation = ops.sqrt(_mean(centred * centred, inside))
    return _gray(centred / ops.maximum(deviation, _LEAST_DEVIATION))


def locally_alike(images: Any, inside: Any) -> Any:
    """Images with the same mean and deviation around every place inside, and gray outside.

    The shapes are those of `alike`. Without what lies outside, as in normalised convolution
    (Knutsson and Westin 1993, doi:10.1109/CVPR.1993.341081).
    """
    counted = _blurred(inside) + _ALMOST_NOTHING
    centred = (images - _mean(images, inside)) * inside
    detail = (centred - _blurred(centred) / counted) * inside
    deviation = ops.sqrt(_blurred(detail * detail) / counted + 1.0)
    return _gray(detail / deviation)


def _gray(units: Any) -> Any:
    return ops.clip(GRAY + _DEVIATION * units, 0.0, 255.0)


def _blurred(images: Any) -> Any:
    """Blurred with a wide Gaussian, computed on fewer pixels: products with two matrices."""
    for matrix in _blur(images.shape[1]):
        images = ops.matmul(ops.matmul(matrix[None], images), matrix.T[None])
    return images


def _blur(side: int) -> tuple[Any, Any]:
    """The matrices `[side / 4, side]` that reduces and blurs, and `[side, side / 4]` that enlarges.

    The edges go on.
    """
    few = side // _COARSER
    reduce = np.kron(np.eye(few), np.full((1, _COARSER), 1 / _COARSER))
    sigma = _LOCAL * few
    offsets = np.arange(-round(4 * sigma), round(4 * sigma) + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    blur = np.zeros((few, few))
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        blur[np.arange(few), np.clip(np.arange(few) + offset, 0, few - 1)] += weight
    at = np.clip((np.arange(side) + 0.5) / _COARSER - 0.5, 0, few - 1)
    enlarge = np.maximum(1 - np.abs(at[:, None] - np.arange(few)), 0)
    return (blur @ reduce).astype(np.float32), enlarge.astype(np.float32)


def _mean(images: Any, weights: Any) -> Any:
    total = ops.sum(weights, axis=(1, 2), keepdims=True) + _ALMOST_NOTHING
    return ops.sum(images * weights, axis=(1, 2), keepdims=True) / total


@keras.saving.register_keras_serializable("pneumoscope")
class LungPooling(keras.layers.Layer):
    """The mean of features `[N, h, w, channels]` over the lungs: `[N, channels]`.

    Takes the features and what each cell counts for, `[N, h, w, 1]`.
    """

    def call(self, features: Any, cells: Any) -> Any:
        total = ops.sum(cells, axis=(1, 2)) + _ALMOST_NOTHING
        return ops.sum(features * cells, axis=(1, 2)) / total
