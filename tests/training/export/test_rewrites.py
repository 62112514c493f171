"""Graphs that are rewritten to take less time, and have the answers that they had."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from app.inference.contract import Floats
from app.inference.silent_openvino import ops, ov
from training.export.rewrites import rewrite

RANDOM = np.random.default_rng(0)
SIDE = 8
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}


def maps(channels: int, side: int = SIDE) -> ov.Node:
    return ops.parameter([1, channels, side, side], np.float32)


def kernel(*shape: int) -> Floats:
    return RANDOM.normal(size=shape).astype(np.float32)


def convolve(
    x: ov.Node, weights: Floats, stride: int = 1, around: list[int] | None = None
) -> ov.Node:
    around = around or [(weights.shape[-1] - 1) // 2] * 2
    return ops.convolution(x, weights, [stride] * 2, around, around, [1, 1])


def enlarged(small: ov.Node, times: int = 2, mode: str = "nearest") -> ov.Node:
    """As Keras has TensorFlow do it."""
    side = times * small.output(0).get_partial_shape()[2].get_length()
    by_pixel = ops.transpose(small, np.array([0, 2, 3, 1]))
    attributes = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
    large = ops.interpolate(by_pixel, [side, side], mode, "sizes", axes=[1, 2], **attributes)
    return ops.transpose(large, np.array([0, 3, 1, 2]))


def rewritten(*outputs: ov.Node, parameters: list[ov.Node]) -> Counter[str]:
    """What kinds of nodes a model has once it was rewritten, which must leave its answers alone."""
    model = ov.Model(list(outputs), parameters)
    given = [RANDOM.normal(size=list(p.get_output_shape(0))).astype("f") for p in parameters]

    def answers() -> list[Floats]:
        return list(ov.compile_model(model, "CPU", FLOAT32)(given).values())

    before = answers()
    rewrite(model)
    for was, now in zip(before, answers(), strict=True):
        assert np.ptp(was) > 0.1
        np.testing.assert_allclose(now, was, atol=1e-4)
    return Counter(node.get_type_name() for node in model.get_ops())


def test_small_maps_are_not_enlarged_for_a_convolution() -> None:
    own, small = maps(3), maps(5, SIDE // 2)
    joined = ops.concat([own, enlarged(small)], 1)
    found = rewritten(convolve(joined, kernel(4, 8, 3, 3)), parameters=[own, small])
    assert found["ConvolutionBackpropData"] == 1
    assert not found.keys() & {"Interpolate", "Concat", "Transpose"}


@pytest.mark.parametrize(
    "make",
    [
        lambda own, small: convolve(ops.concat([own, enlarged(small)], 1), kernel(4, 8, 5, 5)),
        lambda own, small: convolve(ops.concat([own, enlarged(small)], 1), kernel(4, 8, 3, 3), 2),
        lambda own, small: convolve(
            ops.concat([own, enlarged(small, mode="linear")], 1), kernel(4, 8, 3, 3)
        ),
        lambda own, small: convolve(ops.concat([enlarged(small), own], 1), kernel(4, 8, 3, 3)),
        lambda own, small: convolve(
            ops.concat([own, enlarged(small)], 1), kernel(4, 8, 3, 3), around=[2, 2]
        ),
        lambda own, small: convolve(
            ops.concat([own, own, enlarged(small)], 1), kernel(4, 11, 3, 3)
        ),
        lambda own, small: ops.add(
            convolve(enlarged(small), kernel(4, 5, 3, 3)), convolve(own, kernel(4, 3, 3, 3))
        ),
    ],
    ids=[
        "a larger kernel",
        "a stride",
        "linearly",
        "the other order",
        "more zeros around",
        "three joined",
        "alone",
    ],
)
def test_other_convolutions_of_enlarged_maps_stay(
    make: Callable[[ov.Node, ov.Node], ov.Node],
) -> None:
    own, small = maps(3), maps(5, SIDE // 2)
    found = rewritten(make(own, small), parameters=[own, small])
    assert not found["ConvolutionBackpropData"]


def test_maps_enlarged_three_times_stay() -> None:
    own, small = maps(3, 9), maps(5, 3)
    joined = ops.concat([own, enlarged(small, times=3)], 1)
    found = rewritten(convolve(joined, kernel(4, 8, 3, 3)), parameters=[own, small])
    assert found["Interpolate"] == 1


def test_maps_are_mixed_without_a_convolution() -> None:
    first, second = maps(1), maps(1)
    weights = np.array([[0.5, 0.5], [0, 1], [1, 0]], np.float32)[:, :, None, None]
    mixed = ops.add(convolve(ops.concat([first, second], 1), weights), kernel(1, 3, 1, 1))
    found = rewritten(mixed, parameters=[first, second])
    assert not found["Convolution"]
    # No weight of 0 counts.
    assert found["Multiply"] == 4


def test_other_convolutions_of_single_pixels_stay() -> None:
    """Without a bias, of maps that are no single ones, or where more than the sum is taken."""
    several, one = maps(2), maps(1)
    joined = ops.concat([several, one], 1)
    biased = convolve(joined, kernel(3, 3, 1, 1))
    parts = convolve(ops.concat([one, one], 1), kernel(3, 2, 1, 1))
    outputs = (
        ops.add(biased, kernel(1, 3, 1, 1)),
        ops.add(parts, kernel(1, 3, 1, 1)),
        ops.multiply(parts, np.float32(2)),
        # Of every other pixel, with one bias for all, and joined one below the other.
        ops.add(convolve(ops.concat([one, one], 1), kernel(3, 2, 1, 1), 2), kernel(1, 3, 1, 1)),
        ops.add(convolve(ops.concat([one, one], 1), kernel(3, 2, 1, 1)), np.float32(1)),
        ops.add(
            convolve(ops.concat([several, several], 2), kernel(3, 2, 1, 1)), kernel(1, 3, 1, 1)
        ),
    )
    found = rewritten(*outputs, parameters=[several, one])
    assert found["Convolution"] == 5


def pooled(x: ov.Node, value: float = 0, around: int = 1) -> ov.Node:
    pads = np.array([0, 0, around, around])
    padded = ops.pad(x, pads, pads, "constant", np.float32(value))
    return ops.max_pool(padded, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3], "floor")


def test_a_pooling_pads_what_is_never_negative() -> None:
    x = maps(3)
    found = rewritten(pooled(ops.relu(x)), parameters=[x])
    assert not found["Pad"]
    assert found["MaxPool"] == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda x: pooled(ops.subtract(ops.relu(x), np.float32(5))),
        lambda x: pooled(ops.relu(x), value=9),
        lambda x: pooled(ops.relu(x), around=3),
        lambda x: pooled(ops.relu(x), around=-1),
    ],
    ids=["what may be negative", "with more than zeros", "wider than it looks", "inwards"],
)
def test_other_poolings_stay(make: Callable[[ov.Node], ov.Node]) -> None:
    x = maps(3)
    assert rewritten(make(x), parameters=[x])["Pad"] == 1
