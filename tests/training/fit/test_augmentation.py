from typing import Any

import keras
import numpy as np
import pytest

from tests import synthetic
from training.fit import augmentation
from training.fit.view import GRAY

DRAWS = 32


def chests(count: int) -> np.ndarray:
    chest = synthetic.chest(size=(224, 224))[np.newaxis, :, :, np.newaxis]
    return np.repeat(chest, count, axis=0).astype(np.float32)


def lungs(count: int) -> np.ndarray:
    """Two upright lungs, `[count, 112, 112, 1]`."""
    found = np.zeros((count, 112, 112, 1), np.float32)
    found[:, 30:80, 20:50] = found[:, 30:80, 62:92] = 1
    return found


def augmented(
    images: np.ndarray, *, training: bool, seed: int = 0, share: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What becomes of images and their lungs before the view."""
    image, marked = keras.Input((224, 224, 1)), keras.Input((112, 112, 1))
    both = keras.Model([image, marked], augmentation.layers(seed).of_image(image, marked))
    share = lungs(len(images)) if share is None else share
    developed, turned = both([images, share], training=training)
    return keras.ops.convert_to_numpy(developed), keras.ops.convert_to_numpy(turned)


def apply(images: np.ndarray, *, training: bool, seed: int = 0) -> np.ndarray:
    return augmented(images, training=training, seed=seed)[0]


def covered(fields: np.ndarray, *, training: bool) -> np.ndarray:
    """What becomes of fields."""
    field = keras.Input((64, 64, 2))
    layers = keras.Model(field, augmentation.layers(0).of_field(field))
    return np.asarray(keras.ops.convert_to_numpy(layers(fields, training=training)))


def test_shape_type_and_range_are_kept() -> None:
    images, share = augmented(chests(16), training=True)
    assert images.shape == (16, 224, 224, 1)
    assert share.shape == (16, 112, 112, 1)
    assert images.dtype == share.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 255
    assert share.min() >= 0
    assert share.max() <= 1


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
    images, share = augmented(chests(2), training=False)
    np.testing.assert_array_equal(images, chests(2))
    np.testing.assert_array_equal(share, lungs(2))
    fields = np.zeros((2, 64, 64, 2), np.float32)
    np.testing.assert_array_equal(covered(fields, training=False), fields)


def test_the_draws_follow_from_the_seed() -> None:
    first, again, other = (apply(chests(2), training=True, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_layer_flips() -> None:
    augment = augmentation.layers(0)
    every = [*augment.turning, *augment.developing, *augment.covering]
    assert every
    assert not [layer for layer in every if "Flip" in type(layer).__name__]


@pytest.mark.parametrize("axis", [1, 2])
def test_what_is_bright_above_or_on_the_left_stays_there(axis: int) -> None:
    halves = np.zeros((4 * DRAWS, 224, 224, 1), np.float32)
    first, second = np.split(np.arange(224), 2)
    np.moveaxis(halves, axis, 0)[first] = 255
    images = apply(halves, training=True)
    # No erasing covers more than 15 % of an image, and no movement shifts half of it.
    above = images.take(first, axis).mean((1, 2, 3)) - images.take(second, axis).mean((1, 2, 3))
    assert above.min() > 20


def test_images_are_turned_and_their_lungs_with_them() -> None:
    square = np.zeros((DRAWS, 112, 112, 1), np.float32)
    square[:, 41:71, 41:71] = 1
    image = 255 * square.repeat(2, axis=1).repeat(2, axis=2)
    turn = augmentation.Augmentation(0.0, augmentation.layers(0).turning, [], [])
    inputs = keras.Input((224, 224, 1)), keras.Input((112, 112, 1))
    both = keras.Model(list(inputs), turn.of_image(*inputs))
    turned, share = map(keras.ops.convert_to_numpy, both([image, square], training=True))
    corners = turned[:, 82:142, 82:142].reshape(DRAWS, -1)
    assert (corners.min(1) < 255).mean() > 0.9
    small = turned.reshape(DRAWS, 112, 2, 112, 2, 1).mean((2, 4)) / 255
    np.testing.assert_allclose(share, small, atol=1e-3)


def test_development_leaves_the_lungs_as_they_are() -> None:
    augment = augmentation.layers(0)
    develop = augmentation.Augmentation(0.0, [], augment.developing, [])
    inputs = keras.Input((224, 224, 1)), keras.Input((112, 112, 1))
    both = keras.Model(list(inputs), develop.of_image(*inputs))
    images, share = both([chests(4), lungs(4)], training=True)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(share), lungs(4))
    assert not np.array_equal(keras.ops.convert_to_numpy(images), chests(4))


def test_parts_of_some_fields_are_covered_with_what_lies_outside_the_lungs() -> None:
    found = covered(np.zeros((128, 64, 64, 2), np.float32), training=True)
    assert np.unique(found).tolist() == [0, GRAY]
    shares = (found[..., 0] == GRAY).mean((1, 2))
    assert 0.05 < (shares > 0).mean() < 0.6
    assert shares.max() <= 0.13
    np.testing.assert_array_equal(found[..., 0], found[..., 1])


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


def test_detail_of_each_octave_gets_a_gain_of_its_own_within_its_bound() -> None:
    """Checks of one pixel are the finest octave, and waves of eight the next one."""
    x = np.arange(64)
    row = 128 + 20.0 * (-1) ** x + 20 * np.sin(2 * np.pi * x / 8)
    images = np.tile(row[None, None, :, None], (DRAWS, 64, 1, 1))
    rows = changed(augmentation.RandomDetail((-0.9, 0.9), seed=0), images)[:, 32, 16:48, 0]
    spectra = np.abs(np.fft.rfft(rows, axis=1)) / 32
    fine, coarse = spectra[:, 16] / 20, 2 * spectra[:, 4] / 20
    assert fine.min() > np.exp(-0.9) * 0.9
    assert fine.max() < np.exp(0.9) * 1.1
    assert fine.max() / fine.min() > 2
    assert (coarse / fine).max() / (coarse / fine).min() > 1.5


def test_without_a_gain_detail_is_left_as_it_is() -> None:
    layer = augmentation.RandomDetail((0.0, 0.0), seed=0)
    np.testing.assert_allclose(changed(layer, chests(2)), chests(2), atol=1e-3)


def test_a_flat_image_has_no_detail() -> None:
    flat = np.full((2, 32, 32, 1), 90.0)
    np.testing.assert_allclose(
        changed(augmentation.RandomDetail((-0.9, 0.9), seed=0), flat), flat, atol=0.01
    )


@pytest.fixture(
    params=[
        (augmentation.RandomExposure, {"gamma": 0.3, "black": (-10, 20), "white": (200, 260)}),
        (augmentation.RandomNoise, {"most": 5.0}),
        (augmentation.RandomDetail, {"log_gain": (-0.5, 0.5)}),
    ],
    ids=["exposure", "noise", "detail"],
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


@pytest.mark.parametrize(("backend", "compiled"), [("jax", True), ("tensorflow", False)])
def test_jax_compiles_every_step_and_tensorflow_is_not_asked_to(
    backend: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    made = augmentation.layers(0)
    steps = [*made.turning, *made.developing, *made.covering]
    assert all(step.supports_jit for step in steps) is compiled
