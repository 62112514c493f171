from typing import Any

import keras
import numpy as np
import pytest

from tests import synthetic
from training import augmentation

DRAWS = 32


def chests(count: int) -> np.ndarray:
    chest = synthetic.chest(size=(224, 224))[np.newaxis, :, :, np.newaxis]
    return np.repeat(chest, count, axis=0).astype(np.float32)


def apply(images: np.ndarray, *, training: bool, seed: int = 0) -> np.ndarray:
    for layer in augmentation.layers(seed):
        images = layer(images, training=training)
    return keras.ops.convert_to_numpy(images)


def test_shape_type_and_range_are_kept() -> None:
    images = apply(chests(16), training=True)
    assert images.shape == (16, 224, 224, 1)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 255


def changed(layer: keras.layers.Layer, images: Any) -> np.ndarray:
    """What a layer makes of images in training."""
    return keras.ops.convert_to_numpy(layer(np.asarray(images, np.float32), training=True))


def pairs(*levels: float) -> np.ndarray:
    """500 images of those pixels."""
    return np.tile(np.array(levels)[:, np.newaxis, np.newaxis], (500, 1, 1, 1))


def ramps() -> np.ndarray:
    ramp = np.linspace(0, 255, 64 * 64).reshape(1, 64, 64, 1)
    return np.repeat(ramp, DRAWS, axis=0)


def test_every_image_is_augmented_by_itself() -> None:
    images = apply(chests(8), training=True).reshape(8, -1)
    assert len(np.unique(images, axis=0)) == 8


def test_nothing_changes_outside_training() -> None:
    np.testing.assert_array_equal(apply(chests(2), training=False), chests(2))


def test_the_draws_follow_from_the_seed() -> None:
    first, again, other = (apply(chests(2), training=True, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_layer_flips() -> None:
    assert not [la for la in augmentation.layers(0) if "Flip" in type(la).__name__]


@pytest.mark.parametrize("axis", [1, 2])
def test_what_is_bright_above_or_on_the_left_stays_there(axis: int) -> None:
    halves = np.zeros((4 * DRAWS, 224, 224, 1), np.float32)
    first, second = np.split(np.arange(224), 2)
    np.moveaxis(halves, axis, 0)[first] = 255
    images = apply(halves, training=True)
    # No erasing covers more than 15 % of an image, and no movement shifts half of it.
    above = images.take(first, axis).mean((1, 2, 3)) - images.take(second, axis).mean((1, 2, 3))
    assert above.min() > 20


def test_images_are_moved_and_turned() -> None:
    square = np.zeros((DRAWS, 224, 224, 1), np.float32)
    square[:, 82:142, 82:142] = 255
    moved = square
    for layer in augmentation.layers(0)[:3]:
        moved = layer(moved, training=True)
    corners = keras.ops.convert_to_numpy(moved)[:, 82:142, 82:142].reshape(DRAWS, -1)
    assert (corners.min(1) < 255).mean() > 0.9


def test_pixels_stay_float32_under_mixed_precision() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert apply(chests(1), training=True).dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_exposure_takes_black_and_white_into_their_spans_and_keeps_the_order() -> None:
    layer = augmentation.RandomExposure(0.5, (-40, 70), (170, 280), seed=0)
    flat = changed(layer, ramps()).reshape(DRAWS, -1)
    # What leaves 0..255 is clipped; black is held at 1e-4 before the power, which leaves 0.4 %.
    black, white = flat[:, 0], flat[:, -1]
    assert (black.min(), white.max()) == (0, 255)
    assert black.max() <= 70 + 0.004 * 320
    assert white.min() >= 170
    assert (np.diff(flat, axis=1) >= -1e-3).all()


def test_exposure_draws_black_and_white_uniformly_each_by_itself() -> None:
    layer = augmentation.RandomExposure(0.0, (10, 30), (200, 240), seed=0)
    black, middle, white = changed(layer, pairs(0, 127.5, 255)).reshape(500, 3).T
    np.testing.assert_allclose(middle, (black + white) / 2, atol=0.05)
    for found, (low, high) in ((black, (10, 30)), (white, (200, 240))):
        span = high - low
        assert low <= found.min() < low + 0.05 * span
        assert high - 0.05 * span < found.max() <= high + 0.05
        assert found.mean() == pytest.approx((low + high) / 2, abs=0.05 * span)
    assert abs(np.corrcoef(black, white)[0, 1]) < 0.15


def test_exposure_clips_what_leaves_the_range() -> None:
    layer = augmentation.RandomExposure(0.0, (-40, -40), (280, 280), seed=0)
    # -40 + 320 * 51 / 255, 127.5 / 255 and 204 / 255.
    found = changed(layer, pairs(0, 51, 127.5, 204, 255))[0].ravel()
    np.testing.assert_allclose(found, (0, 24, 120, 216, 255), atol=1e-3)


def test_exposure_draws_gamma_log_uniformly_within_its_bound() -> None:
    layer = augmentation.RandomExposure(0.5, (0, 0), (255, 255), seed=0)
    gamma = np.log(changed(layer, pairs(127.5)).ravel() / 255) / np.log(0.5)
    assert 0.45 < np.abs(np.log(gamma)).max() <= 0.5 + 1e-5
    assert abs(np.log(gamma).mean()) < 0.05


def test_noise_has_a_deviation_of_its_own_in_each_image_up_to_the_bound() -> None:
    noise = changed(augmentation.RandomNoise(8.0, seed=0), np.full((200, 32, 32, 1), 128)) - 128
    deviations = noise.std((1, 2, 3))
    # The deviation of 1024 draws is off by 2 % as a rule.
    assert 7.5 < deviations.max() < 8 * 1.1
    assert deviations.min() < 0.5
    assert deviations.mean() == pytest.approx(4, abs=0.5)
    assert abs(noise.mean()) < 0.05
    neighbours = noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel()
    assert abs(np.corrcoef(*neighbours)[0, 1]) < 0.02


def test_noise_stays_within_the_range() -> None:
    noisy = changed(augmentation.RandomNoise(8.0, seed=0), ramps())
    assert (noisy.min(), noisy.max()) == (0, 255)


@pytest.fixture(
    params=[
        (augmentation.RandomExposure, {"gamma": 0.3, "black": (-10, 20), "white": (200, 260)}),
        (augmentation.RandomNoise, {"most": 5.0}),
    ],
    ids=["exposure", "noise"],
)
def own(request: pytest.FixtureRequest) -> keras.layers.Layer:
    """A layer of ours."""
    kind, options = request.param
    return kind(**options, seed=7, name="own")


def test_a_layer_of_ours_changes_nothing_outside_training(own: keras.layers.Layer) -> None:
    np.testing.assert_array_equal(own(chests(2)), chests(2))


def test_a_layer_of_ours_survives_its_config(own: keras.layers.Layer) -> None:
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own))
    assert type(copy) is type(own)
    assert copy.get_config() == own.get_config()
    np.testing.assert_array_equal(changed(own, chests(2)), changed(copy, chests(2)))
