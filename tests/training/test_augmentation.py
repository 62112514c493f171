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


def test_gamma_keeps_black_white_and_the_order_of_intensities() -> None:
    ramp = np.linspace(0, 255, 224 * 224, dtype=np.float32).reshape(1, 224, 224, 1)
    images = augmentation.RandomGamma(0.5, seed=0)(np.repeat(ramp, DRAWS, 0), training=True)
    flat = keras.ops.convert_to_numpy(images).reshape(DRAWS, -1)
    np.testing.assert_allclose(flat[:, -1], 255, rtol=1e-5)
    # Black is held at 1e-4 before the power, whose least exponent is exp(-0.5).
    assert flat[:, 0].max() < 1.0
    assert (np.diff(flat, axis=1) >= -1e-3).all()


def test_gamma_is_drawn_log_uniformly_within_its_factor() -> None:
    gray = np.full((500, 1, 1, 1), 127.5, np.float32)
    images = augmentation.RandomGamma(0.5, seed=0)(gray, training=True)
    gamma = np.log(keras.ops.convert_to_numpy(images).ravel() / 255) / np.log(0.5)
    assert np.abs(np.log(gamma)).max() <= 0.5 + 1e-5
    assert np.abs(np.log(gamma)).max() > 0.45
    assert abs(np.log(gamma).mean()) < 0.05


def test_gamma_survives_its_config() -> None:
    layer = augmentation.RandomGamma(0.3, seed=7, name="gamma")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(copy, augmentation.RandomGamma)
    assert (copy.factor, copy.seed, copy.name) == (0.3, 7, "gamma")
    np.testing.assert_array_equal(layer(chests(2), training=True), copy(chests(2), training=True))
