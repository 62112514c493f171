import keras
import numpy as np
import pytest

from training import normalisation

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 6, 6, 1), np.uint8)


@pytest.fixture
def model() -> keras.Model:
    """Two layers of batch normalisation, one of them in a nested model."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.BatchNormalization()])
    return keras.Sequential(
        [inner, keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization(momentum=0.7)]
    )


def test_the_statistics_are_those_of_all_images(model: keras.Model) -> None:
    normalisation.estimate(model, PIXELS, 8)

    first = model.layers[0].layers[-1]
    np.testing.assert_allclose(first.moving_mean, [PIXELS.mean()], rtol=1e-5)
    np.testing.assert_allclose(first.moving_variance, [PIXELS.var()], rtol=1e-4)


def test_a_later_layer_sees_what_the_earlier_ones_normalised(model: keras.Model) -> None:
    normalisation.estimate(model, PIXELS, len(PIXELS))

    answers = model.predict(PIXELS, verbose=0)
    np.testing.assert_allclose(answers.mean((0, 1, 2)), np.zeros(3), atol=1e-3)
    np.testing.assert_allclose(answers.var((0, 1, 2)), np.ones(3), rtol=0.02)


def test_nothing_else_changes(model: keras.Model) -> None:
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    normalisation.estimate(model, PIXELS, 8)

    for weight, value in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    assert [layer.momentum for layer in (model.layers[0].layers[-1], model.layers[-1])] == [
        0.99,
        0.7,
    ]
