from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from training.data import phantoms


@pytest.mark.parametrize("draw", [phantoms.hand, phantoms.knee, phantoms.ct_slice])
def test_a_phantom_is_bright_on_dark_and_varies_with_the_seed(
    draw: Callable[[np.random.Generator], npt.NDArray[np.uint8]],
) -> None:
    first, same, other = (draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (320, 320)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.percentile(first, 2) < 20
    assert first[100:260, 110:210].mean() > 2 * first[:, :16].mean()
    assert first.max() > 150


def test_a_joint_lets_more_rays_through_than_the_bones_that_meet_in_it() -> None:
    for seed in range(5):
        knee = phantoms.knee(np.random.default_rng(seed)).astype(float)
        column = knee[:, 185:195].mean(1)
        gap = column[158:182].min()
        assert gap < column[125:145].mean() - 10
        assert gap < column[182:200].max() - 10
