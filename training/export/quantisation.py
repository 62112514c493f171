"""Convolutions in eight bits, where a network can afford it, on any CPU.

That is on small maps. On larger ones, which come first, what rounding loses grows all the way
through: at a quarter of the image's side it moved a model's logit several times as far as at an
eighth, and saved a thirtieth of the time.
"""

import numpy as np
import numpy.typing as npt

from app.inference.contract import Floats
from app.inference.openvino_graph import dependents
from app.inference.silent_openvino import ops, ov
from training.export.nodes import compute, constant, is_a, shift
from training.export.rounding import Seen, round_kernel, seen

# How much of the differences between channels the kernels take over from the maps.
_ALPHA = 0.6
# What a channel that is hardly ever on counts for, of the one that is most.
_LEAST = 1e-3

Group = list[ov.Node]


def quantise(model: ov.Model, field: ov.Node, images: npt.NDArray[np.uint8], largest: int) -> None:
    """Let convolutions after a node take their maps in 8 bits, and have kernels of 8 bits.

    A map is what comes out of a ReLU. Its 256 levels lie evenly between 0 and the most that any of
    the images has there: to reach less far would suit most, and cut off the unusual ones. First its
    channels, of which some reach ten times as far as others, are divided by a scale, and the next
    kernels multiplied by it (SmoothQuant, Xiao 2023, arXiv:2211.10438). Maps that are summed up, as
    in a residual network, share their scale. Each filter of a kernel has 129 levels of its own, -64
    to 64, whose sums no CPU saturates.

    Maps are rounded by OpenVINO, where it finds a `FakeQuantize`.

    Args:
        model: with the input `image`, uint8 `[N, 224, 224, 1]`; changed in place.
        field: the node.
        images: like those that the network was trained on, uint8 `[N, 224, 224, 1]`.
        largest: side of the largest maps in 8 bits; larger ones stay as they are.
    """
    groups = _groups(model, dependents(field), largest)
    ranges = _ranges(model, groups, images)
    # Before any of them is changed.
    inputs = {
        kernel.get_node().get_name(): seen(model, kernel.get_node(), images)
        for group in groups
        for kernel, _ in _kernels(group)
    }
    for group, reached in zip(groups, ranges, strict=True):
        _quantise(group, reached, inputs)
    model.validate_nodes_and_infer_types()


def _groups(model: ov.Model, names: set[str], largest: int) -> list[Group]:
    """The ReLUs of maps up to a side that go into convolutions, those together that are summed up.

    Only nodes of these names count.
    """
    groups: list[Group] = []
    for node in model.get_ordered_ops():
        if node.get_name() in names and is_a(node, "Relu") and _side(node) <= largest:
            sources = {_source(entry) for entry in _entries(node)}
            joined = next((g for g in groups if sources & {r.get_name() for r in g}), None)
            if joined is None:
                groups.append([node])
            else:
                joined.append(node)
    return [group for group in groups if _kernels(group)]


def _ranges(
    model: ov.Model, groups: list[Group], images: npt.NDArray[np.uint8]
) -> list[list[Floats]]:
    """The most that any image has in each ReLU's channels, `[channels]`, by group."""
    most = [ops.reduce_max(relu, np.array([2, 3])).output(0) for g in groups for relu in g]
    by_image = iter(compute(model, most, images))
    return [[next(by_image).max(axis=0) for _ in group] for group in groups]


def _quantise(group: Group, ranges: list[Floats], inputs: dict[str, Seen]) -> None:
    names = {relu.get_name() for relu in group}
    entries = [entry for relu in group for entry in _entries(relu)]
    exits = [relu.output(0).get_target_inputs() for relu in group]
    kernels = _kernels(group)
    # What is done in 8 bits: sums and convolutions.
    inside = {i.get_node().get_name() for i in (*entries, *(kernel for kernel, _ in kernels))}
    scale = _scale(np.max(ranges, axis=0), [values for _, values in kernels])
    by_channel = ops.constant(scale[None, :, None, None])

    for entry in entries:
        if _source(entry) not in names:
            scaled = ops.divide(entry.get_source_output(), by_channel)
            entry.replace_source_output(scaled.output(0))
    for kernel, values in kernels:
        scaled_inputs = inputs[kernel.get_node().get_name()].divided(scale)
        _round(kernel, values * scale[:, None, None], scaled_inputs)
    for relu, reach, targets in zip(group, ranges, exits, strict=True):
        bounds = (
            ops.constant(np.float32(0)),
            ops.constant(np.max(reach / scale) or np.float32(1)),
        )
        rounded = ops.fake_quantize(relu, *bounds, *bounds, 256)
        restored = ops.multiply(relu, by_channel)
        for target in targets:
            source = rounded if target.get_node().get_name() in inside else restored
            target.replace_source_output(source.output(0))


def _round(kernel: ov.Input, values: Floats, inputs: Seen) -> None:
    """Give a convolution a kernel in 8 bits, and its outputs the mean that they had."""
    rounded = round_kernel(values, inputs)
    whole = ops.convert(ops.constant(rounded.whole), "f32")
    kernel.replace_source_output(ops.multiply(whole, ops.constant(rounded.step)).output(0))
    shift(kernel.get_node().output(0), rounded.shift[None, :, None, None])


def _scale(reach: Floats, kernels: list[Floats]) -> Floats:
    """What the channels of maps are divided by, and those of the kernels multiplied by."""
    widest = np.max([np.abs(kernel).max(axis=(0, 2, 3)) for kernel in kernels], axis=0)
    reach, widest = (np.maximum(values, _LEAST * (values.max() or 1)) for values in (reach, widest))
    scale: Floats = reach**_ALPHA / widest ** (1 - _ALPHA)
    return scale


def _entries(relu: ov.Node) -> list[ov.Input]:
    """The inputs by which values come to a ReLU: its own, or those of the sum before it."""
    before = relu.input_value(0).get_node()
    summed = is_a(before, "Add") and all(constant(v) is None for v in before.input_values())
    entries: list[ov.Input] = before.inputs() if summed else relu.inputs()
    return entries


def _kernels(group: Group) -> list[tuple[ov.Input, Floats]]:
    """The kernels of the convolutions that a group goes into, as inputs and in numbers."""
    nodes = [t.get_node() for relu in group for t in relu.output(0).get_target_inputs()]
    kernels = [node.input(1) for node in nodes if is_a(node, "Convolution")]
    values = [constant(kernel.get_source_output()) for kernel in kernels]
    return [(kernel, v) for kernel, v in zip(kernels, values, strict=True) if v is not None]


def _side(relu: ov.Node) -> float:
    """Of the map that comes out of it; infinite where it is none."""
    shape = relu.get_output_partial_shape(0)
    return shape[2].get_length() if len(shape) == 4 else np.inf


def _source(entry: ov.Input) -> str:
    name: str = entry.get_source_output().get_node().get_name()
    return name
