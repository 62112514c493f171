"""Kernels of 8 bits whose convolutions give what they gave."""

import numpy as np
import numpy.typing as npt
import pytest

from app.inference.contract import Floats
from app.inference.openvino_graph import MOST
from app.inference.silent_openvino import ops, ov
from training.export.nodes import compute
from training.export.rounding import Seen, round_kernel, seen

SIDE = 224
FILTERS, CHANNELS = 6, 5
Maps = npt.NDArray[np.float64]


def images() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 1), np.uint8)


def kernel(size: int) -> Floats:
    random = np.random.default_rng(size)
    return random.normal(0, 1, (FILTERS, CHANNELS, size, size)).astype(np.float32)


def network(size: int, stride: int) -> tuple[ov.Model, ov.Node]:
    """A convolution of channels that are poolings of the image, and brighter than they vary."""
    image = ops.parameter([-1, SIDE, SIDE, 1], np.uint8, name="image")
    image.output(0).set_names({"image"})
    gray = ops.transpose(ops.convert(image, ov.Type.f32), np.array([0, 3, 1, 2]))
    coarse = ops.avg_pool(gray, [16] * 2, [0] * 2, [0] * 2, [16] * 2, False)
    spread = np.linspace(0.5, 2, CHANNELS, dtype=np.float32)[None, :, None, None]
    maps = ops.add(ops.multiply(coarse, spread), np.float32(100))
    around = [(size - 1) // 2] * 2
    found = ops.convolution(maps, kernel(size), [stride] * 2, around, around, [1, 1])
    return ov.Model([found], [image]), found


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_what_filters_see_tells_what_they_give(size: int, stride: int) -> None:
    """A sum's mean and variance are those of what is added up."""
    model, convolution = network(size, stride)
    inputs = seen(model, convolution, images())
    (given,) = compute(model, [convolution.output(0)], images())
    filters = kernel(size).reshape(FILTERS, -1)
    by_filter = given.transpose(1, 0, 2, 3).reshape(FILTERS, -1)
    np.testing.assert_allclose(filters @ inputs.mean, by_filter.mean(axis=1), rtol=1e-4, atol=1e-2)
    variance = np.einsum("fi,ij,fj->f", filters, inputs.covariance, filters)
    np.testing.assert_allclose(variance, by_filter.var(axis=1), rtol=1e-3)


def test_a_scale_divides_the_channels() -> None:
    inputs = Seen(np.ones(4), np.ones((4, 4)))
    divided = inputs.divided(np.array([1, 2], np.float32))
    np.testing.assert_allclose(divided.mean, [1, 1, 0.5, 0.5])
    np.testing.assert_allclose(divided.covariance[0], [1, 1, 0.5, 0.5])
    np.testing.assert_allclose(divided.covariance[3], [0.5, 0.5, 0.25, 0.25])


def correlated(count: int) -> Maps:
    """Numbers `[places, count]` of a common cause and something of their own."""
    random = np.random.default_rng(1)
    common = random.normal(3, 1, (4000, 1))
    return common + random.normal(0, 0.2, (4000, count))


def test_sums_change_less_than_by_rounding_to_the_nearest() -> None:
    values = kernel(3)
    maps = correlated(CHANNELS * 9)
    rounded = round_kernel(values, Seen(maps.mean(axis=0), np.cov(maps.T)))
    assert rounded.whole.dtype == np.int8
    assert np.abs(rounded.whole).max() <= MOST
    exact = maps @ values.reshape(FILTERS, -1).T
    nearest = np.clip(np.rint(values / rounded.step), -MOST, MOST)
    off = {}
    for name, whole in (("in turn", rounded.whole), ("nearest", nearest)):
        sums = maps @ (whole * rounded.step).reshape(FILTERS, -1).T
        off[name] = (sums - exact).std(axis=0).mean()
    assert off["in turn"] < 0.5 * off["nearest"]


def test_the_shift_keeps_the_mean() -> None:
    values = kernel(1)
    maps = correlated(CHANNELS)
    rounded = round_kernel(values, Seen(maps.mean(axis=0), np.cov(maps.T)))
    exact, sums = (
        maps @ of.reshape(FILTERS, -1).T for of in (values, rounded.whole * rounded.step)
    )
    np.testing.assert_allclose((sums + rounded.shift).mean(axis=0), exact.mean(axis=0), atol=1e-5)
    assert np.abs(rounded.shift).min() > 1e-4


def test_where_nothing_varies_each_number_is_the_nearest() -> None:
    values = kernel(1)
    rounded = round_kernel(values, Seen(np.zeros(CHANNELS), np.zeros((CHANNELS, CHANNELS))))
    nearest = np.clip(np.rint(values / rounded.step), -MOST, MOST)
    np.testing.assert_array_equal(rounded.whole, nearest)
