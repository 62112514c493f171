"""The lung field: its box, its crop, and the way back into the image."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from training.fit import field

Floats = npt.NDArray[np.float32]
WHOLE = [[0.0, 0.0, 1.0, 1.0]]
# Inside the image, and beyond each edge of it.
BOXES = np.array([[0.2, 0.3, 0.7, 0.9], [-0.1, -0.2, 0.6, 0.7], [0.3, 0.4, 1.2, 1.1]], np.float32)


def numpy(tensor: Any) -> Floats:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def filled(top: int, left: int, bottom: int, right: int, side: int = 100) -> Floats:
    """A map `[1, side, side]` that is 1 in a rectangle."""
    lungs = np.zeros((1, side, side), np.float32)
    lungs[:, top:bottom, left:right] = 1
    return lungs


def random(*shape: int) -> Floats:
    return np.random.default_rng(sum(shape)).random(shape).astype(np.float32)


def with_margin(low: float, high: float) -> tuple[float, float]:
    # 0.4 % of the lungs lie beyond each edge, then there are 6 % more.
    beyond = 0.004 * (high - low)
    size = high - low - 2 * beyond
    return low + beyond - 0.06 * size, high - beyond + 0.06 * size


def test_the_box_lies_around_the_lungs_with_a_margin() -> None:
    left, top, right, bottom = numpy(field.box(filled(30, 20, 80, 60)))[0]
    assert (left, right) == pytest.approx(with_margin(0.2, 0.6), abs=2e-3)
    assert (top, bottom) == pytest.approx(with_margin(0.3, 0.8), abs=2e-3)


def test_the_box_reaches_beyond_the_edges_that_the_lungs_touch() -> None:
    left, top, right, bottom = numpy(field.box(filled(0, 40, 50, 100)))[0]
    assert top < 0 < left
    assert bottom < 1 < right


def test_without_lungs_the_box_is_about_the_whole_image() -> None:
    found = numpy(field.box(np.zeros((1, 100, 100), np.float32)))
    np.testing.assert_allclose(found, [[-0.06, -0.06, 1.06, 1.06]], atol=0.01)


def test_the_box_of_each_image_is_its_own() -> None:
    one, other = filled(30, 20, 80, 60), filled(10, 10, 40, 90)
    both = numpy(field.box(np.concatenate([one, other])))
    np.testing.assert_allclose(both[:1], numpy(field.box(one)), atol=1e-6)
    np.testing.assert_allclose(both[1:], numpy(field.box(other)), atol=1e-6)


def test_an_uncertain_place_moves_the_box_little() -> None:
    lungs = filled(30, 20, 80, 60)
    plain = numpy(field.box(lungs))
    lungs[0, 2, 2] = 0.5
    np.testing.assert_allclose(numpy(field.box(lungs)), plain, atol=2e-3)


def test_cleaning_removes_specks_and_keeps_lungs() -> None:
    lungs = filled(30, 20, 80, 60)
    spotted = lungs.copy()
    spotted[0, 5:9, 5:9] = 1
    spotted[0, 90, 70:99] = 1
    np.testing.assert_array_equal(numpy(field.cleaned(spotted)), lungs)


def test_cleaning_keeps_what_touches_the_edge() -> None:
    lungs = filled(0, 80, 50, 100)
    np.testing.assert_array_equal(numpy(field.cleaned(lungs)), lungs)


def test_cleaning_adds_nothing_but_what_rounding_does() -> None:
    lungs = random(2, 50, 50)
    assert (numpy(field.cleaned(lungs)) <= lungs + 0.5 / 255 + 1e-6).all()


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    image = random(1, 24, 24)
    cropped = numpy(field.crop(image, np.array(WHOLE, np.float32), 24))
    np.testing.assert_allclose(cropped, image, atol=1e-5)


def test_a_crop_is_the_part_that_lies_in_the_box() -> None:
    image = random(1, 24, 24)
    cropped = numpy(field.crop(image, np.array([[0.25, 0.5, 0.75, 1.0]], np.float32), 12))
    np.testing.assert_allclose(cropped, image[:, 12:, 6:18], atol=1e-5)


def test_a_crop_that_reduces_averages_the_pixels() -> None:
    y, x = np.indices((1, 32, 32))[1:]
    checks = ((x + y) % 2).astype(np.float32)
    cropped = numpy(field.crop(checks, np.array(WHOLE, np.float32), 8))
    np.testing.assert_allclose(cropped, np.full((1, 8, 8), 0.5), atol=0.02)


def test_the_edges_go_on_beyond_the_image() -> None:
    image = np.full((1, 24, 24), 7, np.float32)
    image[:, :, 0] = 3
    cropped = numpy(field.crop(image, np.array([[-1.0, 0.0, 0.0, 1.0]], np.float32), 24))
    np.testing.assert_allclose(cropped, np.full((1, 24, 24), 3), atol=1e-5)


def test_a_map_is_laid_where_its_box_is_and_nowhere_else() -> None:
    laid = numpy(field.uncrop(np.ones((1, 4, 4), np.float32), BOXES[:1], 100))
    inside = np.zeros((1, 100, 100), np.float32)
    inside[:, 30:90, 20:70] = 1
    np.testing.assert_allclose(laid, inside, atol=1e-5)


def test_a_map_comes_back_from_the_image() -> None:
    """A ramp does, which interpolation and averaging leave as it is."""
    ramp = np.add.outer(np.arange(6), 2 * np.arange(6)).astype(np.float32)[np.newaxis]
    back = numpy(field.crop(field.uncrop(ramp, BOXES[:1], 600), BOXES[:1], 6))
    np.testing.assert_allclose(back[:, 1:-1, 1:-1], ramp[:, 1:-1, 1:-1], atol=0.05)


def test_gathering_is_the_transpose_of_laying_back() -> None:
    """<uncrop(map), lungs> = <map, gathered(lungs)>, for any of both."""
    cells, lungs = random(3, 14, 14) - 0.5, random(3, 112, 112)
    laid = numpy(field.uncrop(cells, BOXES, 112))
    held = numpy(field.gathered(lungs, BOXES, 14))
    assert held.shape == (3, 14, 14)
    np.testing.assert_allclose(
        (laid * lungs).sum((1, 2)), (cells * held).sum((1, 2)), rtol=1e-4, atol=1e-2
    )


def test_the_cells_hold_all_of_the_lungs_that_lie_in_the_box() -> None:
    lungs = filled(30, 20, 80, 60, 112)
    held = numpy(field.gathered(lungs, field.box(lungs), 14))
    assert held.sum() == pytest.approx(lungs.sum(), rel=1e-3)


def test_the_hull_fills_what_lies_between_the_lungs_in_a_row() -> None:
    lungs = np.maximum(filled(20, 10, 60, 30), filled(20, 60, 80, 90))
    hull = numpy(field.hull(lungs))[0]
    assert hull[40, 10:90].min() == 1
    assert hull[40, :7].max() == hull[40, 94:].max() == 0
    # Below the one lung there is only the other.
    assert hull[70, :50].max() == 0
    assert hull[70, 60:90].min() == 1
    assert hull[:17].max() == hull[84:].max() == 0
