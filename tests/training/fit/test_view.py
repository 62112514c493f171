"""What the classifier sees: nothing of the exposure, nothing of what lies outside the lungs."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from training.fit import view
from training.fit.view import GRAY, LungField, LungPooling

Floats = npt.NDArray[np.float32]
SIDE, CELLS = 64, 8


def numpy(tensor: Any) -> Floats:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.fixture(scope="module")
def lungs() -> Floats:
    """Two upright lungs, `[1, 112, 112, 1]`."""
    found = np.zeros((1, 112, 112, 1), np.float32)
    found[:, 30:90, 20:50] = found[:, 30:90, 62:92] = 1
    return found


@pytest.fixture(scope="module")
def image() -> Floats:
    """Smooth noise of 60 to 180 gray levels, `[1, 224, 224, 1]`."""
    noise = np.random.default_rng(0).random((1, 28, 28, 1))
    smooth = keras.ops.image.resize(noise, (224, 224), interpolation="bilinear")
    return 60 + 120 * numpy(smooth)


def seen(image: Floats, lungs: Floats, **options: Any) -> list[Floats]:
    return [numpy(part) for part in LungField(SIDE, CELLS, **options)(image, lungs)]


def test_the_shapes_and_the_range(image: Floats, lungs: Floats) -> None:
    shown, cells, boxes = seen(image, lungs)
    assert (shown.shape, cells.shape, boxes.shape) == (
        (1, SIDE, SIDE, view.LOOKS),
        (1, CELLS, CELLS, 1),
        (1, 4),
    )
    assert shown.min() >= 0
    assert shown.max() <= 255
    assert cells.sum() == pytest.approx(lungs.sum(), rel=1e-3)


@pytest.mark.parametrize(("gain", "offset"), [(0.4, 10), (1.3, -40), (1.0, 60)])
def test_exposure_and_contrast_tell_nothing(
    gain: float, offset: float, image: Floats, lungs: Floats
) -> None:
    plain, _, _ = seen(image, lungs)
    exposed, _, _ = seen(gain * image + offset, lungs)
    np.testing.assert_allclose(exposed[..., 0], plain[..., 0], atol=0.1)
    # The local look holds its deviation up by one gray level, lest noise fill it.
    np.testing.assert_allclose(exposed[..., 1], plain[..., 1], atol=4)


def test_what_lies_outside_the_lungs_tells_nothing(image: Floats, lungs: Floats) -> None:
    plain, _, _ = seen(image, lungs)
    # Arms, chin and letters: all but the lungs, what is between them, and their widened rim.
    body = image.copy()
    body[:, :48] = 255
    body[:, 192:] = 0
    body[:, :, :28] = 255
    body[:, :, 196:] = np.random.default_rng(1).uniform(0, 255, (1, 224, 28, 1))
    other, _, _ = seen(body, lungs)
    np.testing.assert_allclose(other, plain, atol=0.1)
    margin = other[0, 0]
    np.testing.assert_allclose(margin, np.full_like(margin, GRAY), atol=0.1)


def test_the_first_look_has_one_mean_and_deviation_inside(image: Floats, lungs: Floats) -> None:
    shown, _, _ = seen(image, lungs)
    inside = shown[0, 8:-8, 8:-8, 0]
    assert inside.mean() == pytest.approx(GRAY, abs=8)
    assert inside.std() == pytest.approx(50, abs=8)


def test_the_second_look_has_one_mean_and_deviation_around_every_place(lungs: Floats) -> None:
    """A bright, sharp half beside a dark, flat one."""
    grain = np.random.default_rng(0).normal(size=(1, 224, 224, 1)).astype(np.float32)
    grain = numpy(keras.ops.average_pool(grain, 9, 1, "same")) * 9
    halves = np.where(np.arange(224)[None, :, None] < 112, 60 + 4 * grain, 160 + 20 * grain)
    shown, _, _ = seen(halves.astype(np.float32), lungs)
    dark, bright = shown[0, 8:-8, 6:16], shown[0, 8:-8, -16:-6]
    assert bright[..., 0].mean() - dark[..., 0].mean() > 60
    assert abs(bright[..., 1].mean() - dark[..., 1].mean()) < 15
    assert bright[..., 0].std() / dark[..., 0].std() > 3
    assert bright[..., 1].std() / dark[..., 1].std() < 2


def test_a_blank_image_stays_blank(lungs: Floats) -> None:
    shown, _, _ = seen(np.full((1, 224, 224, 1), 90, np.float32), lungs)
    np.testing.assert_allclose(shown, np.full_like(shown, GRAY), atol=0.5)


def test_without_lungs_the_field_is_gray(image: Floats) -> None:
    shown, cells, _ = seen(image, np.zeros((1, 112, 112, 1), np.float32))
    np.testing.assert_allclose(shown, np.full_like(shown, GRAY), atol=0.5)
    assert cells.sum() == 0


def test_the_box_is_moved_in_training_only(image: Floats, lungs: Floats) -> None:
    several = np.repeat(lungs, 64, axis=0)
    images = np.repeat(image, 64, axis=0)
    layer = LungField(SIDE, CELLS, jitter=0.03, seed=0)
    still = numpy(layer(images, several)[2])
    assert len(np.unique(still, axis=0)) == 1
    moved = numpy(layer(images, several, training=True)[2])
    assert len(np.unique(moved, axis=0)) == 64
    width = still[0, 2] - still[0, 0]
    centres = (moved[:, 0] + moved[:, 2]) / 2 / width
    assert centres.std() == pytest.approx(0.03, rel=0.3)
    sizes = np.log((moved[:, 2] - moved[:, 0]) / width)
    assert sizes.std() == pytest.approx(0.045, rel=0.3)
    plain = LungField(SIDE, CELLS)(images, several, training=True)[2]
    np.testing.assert_array_equal(numpy(plain), still)


def test_the_field_survives_its_config() -> None:
    layer = LungField(SIDE, CELLS, jitter=0.1, seed=3, name="view")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()


def test_features_are_averaged_over_the_lungs() -> None:
    features = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    cells = np.array([[[1], [0]], [[0], [3]]], np.float32)[np.newaxis]
    pooled = numpy(LungPooling()(features, cells))
    # (1 * [0, 1] + 3 * [6, 7]) / 4
    np.testing.assert_allclose(pooled, [[4.5, 5.5]], rtol=1e-3)


def test_without_lungs_features_are_pooled_to_nothing() -> None:
    features = np.ones((1, 2, 2, 3), np.float32)
    pooled = numpy(LungPooling()(features, np.zeros((1, 2, 2, 1), np.float32)))
    np.testing.assert_array_equal(pooled, np.zeros((1, 3)))
