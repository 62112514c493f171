"""The scale between an image's values and 16 bits."""

import numpy as np
import pytest

from app.imaging.depth import WHITE, Scale, of_bytes
from tests import synthetic


@pytest.mark.parametrize("inverted", [False, True])
def test_every_value_comes_back(inverted: bool) -> None:
    values = np.arange(-1024.0, 3072.0)
    scale = Scale(-1024, 3071, inverted)

    found = scale.depth(pixels := scale.apply(values), 0, 400)

    assert (pixels.min(), pixels.max()) == (0, WHITE)
    assert (np.sign(np.diff(pixels.astype(np.int32))) == (-1 if inverted else 1)).all()
    np.testing.assert_allclose(pixels * found.slope + found.intercept, values, atol=0.04)
    assert (found.center, found.width) == (200, 400)


def test_what_lies_beyond_gets_the_ends() -> None:
    assert Scale(0, 10).apply(np.array([-5.0, 15.0])).tolist() == [0, WHITE]


def test_an_image_of_one_value_is_black_and_keeps_it() -> None:
    scale = Scale(7, 7)

    found = scale.depth(scale.apply(np.full(3, 7.0)), 7, 7)

    assert found.pixels.tolist() == [0, 0, 0]
    assert found.intercept == 7
    assert found.slope > 0
    assert found.width > 0


def test_bytes_are_spread_over_the_whole_range() -> None:
    chest = synthetic.chest(size=(64, 80))

    found = of_bytes(chest)

    np.testing.assert_array_equal(np.rint(found.pixels * found.slope), chest)
    assert (found.center, found.width) == (127.5, 255)
