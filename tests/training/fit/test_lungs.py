"""The finder of lungs: its network, its loss, and what is told of its maps."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from training.fit import lungs
from training.fit.lungs import SIDE

Floats = npt.NDArray[np.float32]


def numpy(tensor: Any) -> Floats:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.fixture(scope="module")
def built() -> keras.Model:
    return lungs.build(seed=1)


def rectangle(top: int, left: int, bottom: int, right: int) -> Floats:
    mask = np.zeros((1, SIDE, SIDE, 1), np.float32)
    mask[:, top:bottom, left:right] = 1
    return mask


def test_it_marks_each_place_of_half_the_side(built: keras.Model) -> None:
    assert built.input_shape == (None, 224, 224, 1)
    assert built.output_shape == (None, SIDE, SIDE, 1)
    # A millisecond or two, and a part of 80 MB.
    assert built.count_params() < 500_000


def test_exposure_tells_it_nothing(built: keras.Model) -> None:
    image = np.random.default_rng(0).uniform(60, 160, (1, 224, 224, 1)).astype(np.float32)
    plain, exposed = (numpy(built(given)) for given in (image, 40 + 0.6 * image))
    np.testing.assert_allclose(exposed, plain, atol=1e-3)


def test_a_blank_image_stays_blank() -> None:
    found = numpy(lungs.Standardise()(np.full((1, 8, 8, 1), 90, np.float32)))
    np.testing.assert_allclose(found, np.zeros((1, 8, 8, 1)), atol=1e-5)


def test_the_initialisers_follow_from_the_seed(built: keras.Model) -> None:
    again, other = (lungs.build(seed).get_weights() for seed in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(built.get_weights(), again, strict=True))
    assert not np.array_equal(again[0], other[0])


def test_the_loss_falls_as_the_map_comes_near_the_mask() -> None:
    truth = rectangle(20, 20, 90, 50)
    losses = [
        numpy(lungs.loss(truth, 20 * (found - 0.5)))[0]
        for found in (truth, rectangle(25, 20, 90, 50), 0 * truth, rectangle(60, 60, 90, 90))
    ]
    assert losses == sorted(losses)
    assert losses[0] < 0.01


def test_nothing_to_mark_costs_nothing_where_nothing_is_marked() -> None:
    nothing = np.zeros((2, SIDE, SIDE, 1), np.float32)
    found = numpy(lungs.loss(nothing, np.full_like(nothing, -20)))
    assert found.shape == (2,)
    np.testing.assert_allclose(found, [0, 0], atol=1e-3)


def test_the_dice_coefficient_by_hand() -> None:
    found = rectangle(0, 0, SIDE // 2, SIDE)[0, ..., 0]
    drawn = np.zeros((2 * SIDE, 4 * SIDE), bool)
    drawn[SIDE // 2 : 3 * SIDE // 2] = True
    # A half of each is common.
    assert lungs.dice(found, drawn) == pytest.approx(0.5, abs=0.01)
    assert lungs.dice(found, np.ones_like(drawn)) == pytest.approx(2 / 3, abs=0.01)


def test_a_mask_is_marked_without_specks_in_255ths(finder: keras.Model) -> None:
    pixels = np.full((3, 224, 224, 1), 200, np.uint8)
    pixels[:, 60:180, 30:100] = pixels[:, 60:180, 124:194] = 75
    pixels[2] = 200
    # Smaller than a speck once the finder has blurred it.
    pixels[:, 10:14, 10:14] = 75
    found = lungs.mark(finder, pixels)
    assert found.shape == (3, SIDE, SIDE, 1)
    assert found.dtype == np.uint8
    assert found[0, 60, 30, 0] > 250
    assert found[0, :20].max() < 3
    np.testing.assert_array_equal(found[0], found[1])
    assert found[2].max() < 3


def test_many_images_are_marked_as_single_ones(
    finder: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 224, 224, 1), np.uint8)
    whole = lungs.mark(finder, pixels).astype(int)
    monkeypatch.setattr(lungs, "_BATCH", 2)
    np.testing.assert_allclose(lungs.mark(finder, pixels), whole, atol=1)


def test_certainty_and_share_by_hand() -> None:
    maps = np.zeros((3, 10, 10, 1), np.uint8)
    maps[0, :5] = 204
    maps[1, 0, :4] = 255
    maps[1, 1, :4] = 153
    maps[1, 5:] = 100  # less likely lung than not
    assert lungs.certainty(maps) == pytest.approx([0.8, 0.8, 0])
    assert lungs.share(maps) == pytest.approx([0.5, 0.08, 0])
