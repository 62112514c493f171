"""The first convolution of Keras' own backbones, and what it loses in bfloat16."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from app.inference.silent_openvino import ops, ov
from training import stem

SIDE = 32
CHANNELS = 16
MEANS = np.array([103.939, 116.779, 123.68], np.float32).reshape(1, 3, 1, 1)

Made = Callable[[ov.Output], ov.Node]


def colours(gray: ov.Output) -> ov.Node:
    """As ResNet-50 sees a gray image."""
    return ops.subtract(ops.concat([gray, gray, gray], 1), ops.constant(MEANS))


def edges(planes: ov.Output, mode: str = "constant", value: float = 0) -> ov.Node:
    width = np.array([0, 0, 3, 3])
    return ops.pad(planes, width, width, mode, np.float32(value))


def network(
    seen: Made, *, padded: bool = False, normalised: bool = False, auto_pad: str = "explicit"
) -> ov.Model:
    """A gray image, what is `seen` of it, and one convolution of 7 x 7, with stride 2."""
    random = np.random.default_rng(0)
    image = ops.parameter([-1, SIDE, SIDE, 1], np.uint8, name="image")
    image.output(0).set_names({"image"})
    gray = ops.transpose(ops.convert(image, ov.Type.f32), np.array([0, 3, 1, 2]))
    planes = seen(gray.output(0))
    if padded:
        planes = edges(planes.output(0))
    channels = planes.output(0).get_partial_shape()[1].get_length()
    kernel = random.normal(0, 0.02, (CHANNELS, channels, 7, 7))
    found: ov.Node = ops.convolution(
        planes, ops.constant(kernel.astype(np.float32)), [2, 2], [0, 0], [0, 0], [1, 1], auto_pad
    )
    if normalised:
        factors, summands = random.normal(1, 1, (2, 1, CHANNELS, 1, 1)).astype(np.float32)
        found = ops.add(ops.multiply(found, ops.constant(factors)), ops.constant(summands))
    found = ops.relu(found)
    found.output(0).set_names({"features"})
    return ov.Model([found], [image])


def answer(model: ov.Model, precision: str = "f32") -> npt.NDArray[np.float32]:
    image = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 1), np.uint8)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    features: npt.NDArray[np.float32] = compiled(image)["features"]
    return features


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("auto_pad", ["explicit", "same_upper", "valid"])
def test_it_sees_the_same(padded: bool, normalised: bool, auto_pad: str) -> None:
    model = network(colours, padded=padded, normalised=normalised, auto_pad=auto_pad)
    expected = answer(model)
    assert stem.make_exact(model) is True
    np.testing.assert_allclose(answer(model), expected, atol=1e-3)


def test_it_looks_at_the_gray_levels() -> None:
    model = network(colours, padded=True, normalised=True)
    stem.make_exact(model)
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    (convolution,) = [n for n in model.get_ordered_ops() if n.get_type_name() == "Convolution"]
    assert convolution.get_input_partial_shape(0)[1].get_length() == 4
    assert kinds.count("Subtract") == 0


@pytest.mark.skipif(
    "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this CPU has no bfloat16",
)
def test_it_is_exact_in_bfloat16() -> None:
    model = network(colours, padded=True, normalised=True)
    expected = answer(model)
    before = np.abs(answer(model, "bf16") - expected).max()
    stem.make_exact(model)
    after = np.abs(answer(model, "bf16") - expected).max()
    assert before > 0.1
    assert after < before / 20


@pytest.mark.parametrize(
    "seen",
    [
        lambda gray: ops.power(gray, np.float32(2)),
        lambda gray: ops.avg_pool(
            gray, [1, 1], [0, 0], [1, 1], [3, 3], False, auto_pad="same_upper"
        ),
        lambda gray: ops.avg_pool(gray, [2, 2], [0, 0], [0, 0], [2, 2], False),
        lambda gray: edges(colours(gray).output(0), value=1),
        lambda gray: edges(colours(gray).output(0), mode="reflect"),
    ],
    ids=["not a line", "of neighbours", "of another size", "edges of 1", "edges that reflect"],
)
def test_what_sees_anything_else_is_left_as_it_is(seen: Made) -> None:
    model = network(seen)
    expected = answer(model)
    assert stem.make_exact(model) is False
    assert np.array_equal(answer(model), expected)


def test_a_model_without_a_convolution_is_left_as_it_is() -> None:
    image = ops.parameter([-1, SIDE, SIDE, 1], np.uint8, name="image")
    image.output(0).set_names({"image"})
    assert stem.make_exact(ov.Model([ops.convert(image, ov.Type.f32)], [image])) is False
