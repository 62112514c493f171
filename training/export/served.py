"""The whole path from pixels to answer, as it goes into the SavedModel.

    image -> lungs -> field -> classifier -> logit, map

Its `serving_default` takes uint8 `image` `[N, 224, 224, 1]` and gives float32 `logit` `[N]`,
`probability` `[N]`, `cam` and `lungs` `[N, 112, 112]`, `field` `[N, 4]` and `novelty` `[N]`.
Convolution and dense weights are stored as float16 and computed with as float32.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from app.imaging.decode import MODEL_SIDE
from app.inference.contract import OUTPUTS, Answers
from model_store.manifest import Scaling
from training.export.novelty import FeatureDensity
from training.fit import field, model
from training.fit.lungs import VARIABLES


class ServedModel(tf.Module):
    """The whole path from pixels to answer, with its weights in float16 where that is safe.

    Args:
        finder: marks the lungs, as `lungs.build` makes it.
        network: reads the field around them.
        scaling: of the logit.
        density: of the pooled features.
    """

    max_batch = 32

    def __init__(
        self,
        finder: keras.Model,
        network: model.Network,
        scaling: Scaling,
        density: FeatureDensity,
    ) -> None:
        super().__init__()
        self._finder, self._view = finder, network.view
        self._backbone, self._pooling, self._head = network.backbone, network.pooling, network.head
        self._finder_weights = [_stored(v, VARIABLES) for v in finder.variables]
        self._backbone_weights = [_stored(v, "backbone") for v in network.backbone.variables]
        self._head_weights = [_stored(v, "head") for v in network.head.variables]
        self._scaling = scaling
        self._mean = _constant(density.mean)
        self._components = _constant(density.components)
        self._deviations = _constant(np.sqrt(density.variances))
        self._noise = float(np.sqrt(density.noise))

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, MODEL_SIDE, MODEL_SIDE, 1), tf.uint8, name="image")]
    )
    def serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        gray = tf.cast(image, tf.float32)
        lungs = tf.sigmoid(_call(self._finder, self._finder_weights, gray)[..., 0])
        lungs = field.cleaned(lungs)
        shown, cells, boxes = self._view(gray, lungs[..., tf.newaxis])
        features = _call(self._backbone, self._backbone_weights, shown)
        pooled = self._pooling(features, cells)
        logit = _call(self._head, self._head_weights, pooled)
        # Selvaraju 2017, arXiv:1610.02391, equations 1 and 2, before the ReLU. The head is linear,
        # so its gradient is the same everywhere. What the sum over the lungs lacks of the logit,
        # such as the bias, is spread over them evenly.
        with tf.GradientTape() as tape:
            anywhere = tf.zeros((1, pooled.shape[1]))
            tape.watch(anywhere)
            response = _call(self._head, self._head_weights, anywhere)
        weights = tape.gradient(response, anywhere)[tf.newaxis, ..., tf.newaxis]
        evidence = tf.nn.conv2d(features, weights, 1, "VALID")
        rest = logit[:, tf.newaxis] - self._pooling(evidence, cells)
        log_odds = self._calibrated(evidence[..., 0] + rest[..., tf.newaxis])
        return {
            "logit": logit,
            "probability": tf.sigmoid(self._calibrated(logit)),
            "cam": field.uncrop(log_odds, boxes, lungs.shape[1]) * lungs,
            "lungs": lungs,
            "field": boxes,
            "novelty": self._novelty(pooled),
        }

    def _calibrated(self, logit: tf.Tensor) -> tf.Tensor:
        return logit / self._scaling.temperature + self._scaling.bias

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        """Answer as an engine does once it has loaded what `save` writes."""
        results = self.serve(tf.constant(images))
        return Answers(**{name: results[name].numpy() for name in OUTPUTS})

    def _novelty(self, pooled: tf.Tensor) -> tf.Tensor:
        """The Mahalanobis distance of the features' roots, per channel.

        1 is an ordinary training image's.

        Products are summed, not matrix-multiplied: many an engine multiplies matrices in a lower
        precision (TensorFloat-32, bfloat16), in which the small differences that novelty is made of
        drown.
        """
        # As `novelty.roots` does.
        centred = tf.sign(pooled) * tf.sqrt(tf.abs(pooled)) - self._mean
        along = tf.reduce_sum(centred[:, :, tf.newaxis] * self._components, axis=1)
        beside = centred - tf.reduce_sum(along[:, tf.newaxis, :] * self._components, axis=2)
        squared = tf.reduce_sum((along / self._deviations) ** 2, axis=-1) + tf.reduce_sum(
            (beside / self._noise) ** 2, axis=-1
        )
        return tf.sqrt(squared / self._mean.shape[0])

    def save(self, folder: Path) -> None:
        """Write the SavedModel into `folder`."""
        archive = keras.export.ExportArchive()
        archive.track(self)
        archive.add_endpoint("serving_default", self.serve)
        archive.write_out(str(folder), verbose=False)


def _stored(variable: keras.Variable, part: str) -> tf.Variable:
    """Kernels as float16; what is small, and sums up in every layer, as it is."""
    value = keras.ops.convert_to_numpy(variable)
    return _constant(value.astype(np.float16) if variable.name == "kernel" else value, part)


def _constant(value: npt.NDArray[np.floating[Any]], name: str = "density") -> tf.Variable:
    """A variable, so that the SavedModel holds it once and not in each copy of its graph."""
    return tf.Variable(value, trainable=False, name=name)


def _call(part: keras.Model, weights: Sequence[tf.Variable], inputs: tf.Tensor) -> tf.Tensor:
    """Call a Keras model with the given weights, in the order of `part.variables`."""
    given = {id(v): tf.cast(w, v.dtype) for v, w in zip(part.variables, weights, strict=True)}
    outputs, _ = part.stateless_call(
        [given[id(v)] for v in part.trainable_variables],
        [given[id(v)] for v in part.non_trainable_variables],
        inputs,
        training=False,
    )
    return outputs
