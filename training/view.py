"""What the classifier sees: the lung field in one framing and one look, and where it has lungs."""

from typing import Any

import keras
from keras import ops

from training import field

# What lies outside the lungs, in gray levels: near the mean of ImageNet's images.
GRAY = 117.0
_DEVIATION = 50.0
_LEAST_DEVIATION = 2.0
_ALMOST_NOTHING = 1e-3


@keras.saving.register_keras_serializable("pneumoscope")
class LungField(keras.layers.Layer):
    """Crop images to the field around the lungs, and give it the same mean and deviation inside.

    What lies outside the lungs and not between them is gray, so that arms, chin, letters and
    borders tell nothing. In training the box is moved and sized at random.

    Takes images 0..255 `[N, h, w, 1]` and P(lung) `[N, h', w', 1]`, cleaned, and gives

    - the field, 0..255 `[N, side, side, 1]`;
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
        return normalised(shown, inside)[..., None], cells[..., None], boxes

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


def normalised(images: Any, inside: Any) -> Any:
    """Images `[N, h, w]` with the same mean and deviation inside, and gray outside.

    Args:
        images: 0..255.
        inside: how much each place counts, 0..1, `[N, h, w]`.
    """
    mean = _mean(images, inside)
    centred = (images - mean) * inside
    deviation = ops.sqrt(_mean(centred * centred, inside))
    scaled = centred * (_DEVIATION / ops.maximum(deviation, _LEAST_DEVIATION))
    return ops.clip(GRAY + scaled, 0.0, 255.0)


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
