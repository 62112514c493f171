"""Residual blocks, as Keras' ResNets have them, that compute in eight bits."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from app.inference.silent_openvino import ops, ov
from training.export import quantisation

SIDE = 224
SMALL = 8
LARGEST = SIDE // SMALL
CHANNELS = 16
LOGIT = "logit"


def images(seed: int = 0, count: int = 6) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 1), np.uint8)


def network(stride: int = SMALL, dead: bool = False) -> ov.Model:
    """Two residual blocks on maps whose side is the image's over `stride`, pooled to a logit.

    Some channels reach a hundred times as far as others; where `dead`, none is ever on.
    """
    random = np.random.default_rng(1)

    def convolve(x: ov.Output, size: int, stride: int = 1, shift: float = 0.1) -> ov.Output:
        channels = x.get_partial_shape()[1].get_length()
        kernel = random.normal(0, 1 / size, (CHANNELS, channels, size, size)) / channels**0.5
        kernel *= 10 ** random.uniform(-1, 1, (CHANNELS, 1, 1, 1))
        pads = [(size - 1) // 2] * 2
        found = ops.convolution(
            x, ops.constant(kernel.astype(np.float32)), [stride] * 2, pads, pads, [1, 1]
        )
        shifts = np.full((1, CHANNELS, 1, 1), shift, np.float32)
        return ops.add(found, ops.constant(shifts)).output(0)

    def relu(x: ov.Output) -> ov.Output:
        return ops.relu(x).output(0)

    image = ops.parameter([-1, SIDE, SIDE, 1], np.uint8, name="image")
    image.output(0).set_names({"image"})
    gray = ops.transpose(ops.convert(image, ov.Type.f32), np.array([0, 3, 1, 2]))
    scaled = ops.multiply(gray, np.float32(1 / 255))
    x = relu(convolve(scaled.output(0), 3, stride, -1e6 if dead else 0.1))
    for _ in range(2):
        inner = relu(convolve(relu(convolve(x, 1)), 3))
        x = relu(ops.add(convolve(inner, 1), x).output(0))
    pooled = ops.reduce_mean(x, np.array([2, 3]))
    weights = random.normal(0, 1, (CHANNELS,)).astype(np.float32)
    logit = ops.reduce_sum(ops.multiply(pooled, ops.constant(weights)), np.array([1]))
    logit.output(0).set_names({LOGIT})
    return ov.Model([logit], [image])


def logits(model: ov.Model, shown: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: npt.NDArray[np.float32] = compiled(shown)[LOGIT].copy()
    return found


def field(model: ov.Model) -> ov.Node:
    """What the first convolution takes."""
    first = next(n for n in model.get_ordered_ops() if n.get_type_name() == "Convolution")
    return first.input_value(0).get_node()


def kinds(model: ov.Model) -> Counter[str]:
    return Counter(node.get_type_name() for node in model.get_ordered_ops())


def test_every_map_and_kernel_after_the_first_convolution_is_rounded() -> None:
    model = network()
    quantisation.quantise(model, field(model), images(), LARGEST)
    rounded = kinds(model)["FakeQuantize"]
    # Of two blocks: three maps each.
    assert rounded == 2 * 3
    whole = [c for c in model.get_ops() if c.get_element_type() == ov.Type.i8]
    assert len(whole) == 2 * 3
    assert {int(np.abs(kernel.get_data()).max()) for kernel in whole} == {64}


def test_where_maps_and_kernels_are_at_their_most_no_sum_is_cut_off() -> None:
    """All that is convolved is as large as 8 bits can say, which `vpmaddubsw` cuts off at 128."""
    model = network()
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution":
            kernel = node.input_value(1)
            same = np.full(kernel.get_shape(), 1 / np.prod(kernel.get_shape()[1:]), np.float32)
            node.input(1).replace_source_output(ops.constant(same).output(0))
    white = np.full((1, SIDE, SIDE, 1), 255, np.uint8)
    (expected,) = logits(model, white)
    quantisation.quantise(model, field(model), white, LARGEST)
    assert logits(model, white) == pytest.approx(expected, rel=0.01)


def test_the_answers_stay_close() -> None:
    shown = images(2, 16)
    expected = logits(network(), shown)
    model = network()
    quantisation.quantise(model, field(model), images(), LARGEST)
    off = np.abs(logits(model, shown) - expected).max()
    assert off > 0
    assert off < 0.04 * np.abs(expected).mean()


def test_channels_that_differ_a_hundredfold_are_levelled() -> None:
    """With one scale for all, the small ones would have two or three levels."""
    shown = images(2, 16)
    expected = logits(network(), shown)
    apart = {}
    for alpha in (0.0, 0.6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(quantisation, "_ALPHA", alpha)
            model = network()
            quantisation.quantise(model, field(model), images(), LARGEST)
        # `openvino_ir.write` takes back what all logits are shifted by.
        apart[alpha] = (logits(model, shown) - expected).std()
    assert apart[0.6] < apart[0.0]


def test_what_comes_before_the_field_is_left_as_it_is() -> None:
    model = network()
    last = next(n for n in reversed(model.get_ordered_ops()) if n.get_type_name() == "Relu")
    quantisation.quantise(model, last, images(), LARGEST)
    assert kinds(model)["FakeQuantize"] == 0


def test_large_maps_are_left_as_they_are() -> None:
    model = network(stride=SMALL // 2)
    quantisation.quantise(model, field(model), images(), LARGEST)
    assert kinds(model)["FakeQuantize"] == 0


def test_channels_that_are_never_on_are_no_trouble() -> None:
    model = network(dead=True)
    quantisation.quantise(model, field(model), images(), LARGEST)
    assert np.isfinite(logits(model, images(2))).all()
