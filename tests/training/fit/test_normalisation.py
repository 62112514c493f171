from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from training.fit import model, normalisation

COUNT, SIDE = 24, 16
RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (COUNT, 32, 32, 1), np.uint8)
MARKED = np.zeros((COUNT, 16, 16, 1), np.uint8)
MARKED[:, 4:13, 2:7] = MARKED[:, 4:13, 9:14] = 255


@pytest.fixture
def network() -> model.Network:
    """Two layers of batch normalisation in a trunk, the first one of the looks themselves."""
    keras.utils.set_random_seed(0)
    rgb = keras.Input((SIDE, SIDE, 3))
    seen = keras.layers.BatchNormalization()(rgb)
    features = keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 4, strides=4)(seen))
    trunk = keras.Model(rgb, features)
    return model.assemble(trunk, lambda pixels: pixels / 255.0, [], 0.0, 0)


def fields(network: model.Network) -> npt.NDArray[np.float32]:
    shown, _, _ = network.view(PIXELS.astype(np.float32), MARKED.astype(np.float32) / 255)
    return np.asarray(keras.ops.convert_to_numpy(shown))


def norms(network: model.Network) -> list[Any]:
    return list(normalisation._normalising(network.backbone))


def test_the_statistics_are_those_of_all_fields(network: model.Network) -> None:
    normalisation.estimate(network, (PIXELS, MARKED), 8)

    looks = fields(network) / 255
    rgb = np.concatenate([looks, looks.mean(-1, keepdims=True)], -1)
    first = norms(network)[0]
    np.testing.assert_allclose(first.moving_mean, rgb.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(first.moving_variance, rgb.var((0, 1, 2)), rtol=1e-3)


def test_a_later_layer_sees_what_the_earlier_ones_normalised(network: model.Network) -> None:
    normalisation.estimate(network, (PIXELS, MARKED), COUNT)

    answers = network.backbone.predict(fields(network), verbose=0)
    np.testing.assert_allclose(answers.mean((0, 1, 2)), np.zeros(3), atol=1e-3)
    np.testing.assert_allclose(answers.var((0, 1, 2)), np.ones(3), rtol=0.03)


def test_nothing_else_changes(network: model.Network) -> None:
    before = [weight.numpy().copy() for weight in network.classifier.trainable_weights]
    momenta = [layer.momentum for layer in norms(network)]
    normalisation.estimate(network, (PIXELS, MARKED), 8)

    for weight, value in zip(network.classifier.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    assert [layer.momentum for layer in norms(network)] == momenta == [0.9, 0.9]
