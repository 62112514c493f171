"""Batch normalisation's statistics, of images as the service gets them.

Training leaves a moving average behind, of augmented images and of weights that have moved on. So
it is taken anew, of the images as they are and of the weights that are kept: Wu and Johnson 2021,
arXiv:2105.07576, section 3.2.
"""

from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt

from training.fit.model import Network

Gray = npt.NDArray[np.uint8]


def estimate(network: Network, shown: tuple[Gray, Gray], batch_size: int) -> None:
    """Replace the moving statistics by those of the images' fields.

    Args:
        network: whose backbone's layers of batch normalisation are trainable.
        shown: images uint8 `[N, 224, 224, 1]` and P(lung) in 255ths, uint8 `[N, 112, 112, 1]`, in
            no particular order of labels.
        batch_size: what is left of N is not used.
    """
    found = list(_normalising(network.backbone))
    momenta = [layer.momentum for layer in found]
    for layer in found:
        layer.momentum = 0.0
    batches = len(shown[0]) // batch_size
    means, squares = ([0.0] * len(found) for _ in range(2))
    for batch in range(batches):
        images, lungs = (part[batch * batch_size :][:batch_size] for part in shown)
        fields, _, _ = network.view(images.astype(np.float32), lungs.astype(np.float32) / 255)
        network.backbone(fields, training=True)
        for index, layer in enumerate(found):
            mean, variance = map(
                keras.ops.convert_to_numpy, (layer.moving_mean, layer.moving_variance)
            )
            means[index] = means[index] + mean / batches
            squares[index] = squares[index] + (variance + mean**2) / batches
    for layer, momentum, mean, square in zip(found, momenta, means, squares, strict=True):
        layer.momentum = momentum
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(square - mean**2)


def _normalising(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _normalising(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
