"""Rewrite a graph into one that has the same answers, and is computed in less time on a CPU.

Only the order of sums changes. Where a graph has no such part, it stays as it is.
"""

from functools import reduce

import numpy as np

from app.inference.contract import Floats
from app.inference.silent_openvino import ops, ov
from training.export.nodes import constant, feed, is_a

_ONCE, _TWICE = [1, 1], [2, 2]
_CHANNELS = 1
# TensorFlow's way, by which each pixel comes four times where maps are made twice as large.
_NEAREST = {
    "mode": "nearest",
    "coordinate_transformation_mode": "tf_half_pixel_for_nn",
    "nearest_mode": "floor",
}


def rewrite(model: ov.Model) -> None:
    """Rewrite what can be, in place."""
    for node in model.get_ordered_ops():
        if is_a(node, "Convolution"):
            _mix_maps(node)
            _spread_small_maps(node)
        elif is_a(node, "MaxPool"):
            _pad_in_pooling(node)
    model.validate_nodes_and_infer_types()


def _mix_maps(convolution: ov.Node) -> None:
    """Where a 1 x 1 convolution and a bias mix single maps, as colours, sum the maps up instead.

    The convolution has its channels side by side, and what comes before and after it has not.
    """
    maps, kernel = _joined(convolution), constant(convolution.input_value(1))
    biased = [target.get_node() for target in convolution.output(0).get_target_inputs()]
    if kernel is None or kernel.shape[1:] != (len(maps), 1, 1) or not _is_plain(convolution, 0):
        return
    if [node.get_type_name() for node in biased] != ["Add"]:
        return
    biases = constant(biased[0].input_value(1))
    if biases is None or biases.shape != (1, len(kernel), 1, 1):
        return
    mixed = []
    for weights, bias in zip(kernel[:, :, 0, 0], biases.flat, strict=True):
        shares = zip(maps, weights, strict=True)
        terms = [ops.multiply(one, ops.constant(weight)) for one, weight in shares if weight]
        mixed.append(reduce(ops.add, terms, ops.constant(bias)))
    _replace(biased[0], ops.concat(mixed, 1))


def _spread_small_maps(convolution: ov.Node) -> None:
    """Where a 3 x 3 convolution takes maps, and others made twice as large, take those as they are.

    Each of their pixels was four alike, by which sums of the kernel's numbers were multiplied. A
    transposed convolution has these sums as its kernel, and less than half of the products.
    """
    joined, kernel = _joined(convolution), constant(convolution.input_value(1))
    if kernel is None or kernel.shape[2:] != (3, 3) or not _is_plain(convolution, 1):
        return
    if len(joined) != 2 or (small := _enlarged_from(joined[1].get_node())) is None:
        return
    maps = joined[0]
    channels = maps.get_partial_shape()[1].get_length()
    own, spread = np.ascontiguousarray(kernel[:, :channels]), _summed(kernel[:, channels:])
    from_maps = ops.convolution(maps, ops.constant(own), _ONCE, _ONCE, _ONCE, _ONCE)
    from_small = ops.convolution_backprop_data(
        small, ops.constant(spread), _TWICE, None, _ONCE, _ONCE, _ONCE
    )
    _replace(convolution, ops.add(from_maps, from_small))


def _joined(convolution: ov.Node) -> list[ov.Output]:
    """The outputs whose channels together are what a convolution takes; none where it is one."""
    before = convolution.input_value(0).get_node()
    joins = is_a(before, "Concat") and before.get_attributes()["axis"] == _CHANNELS
    return before.input_values() if joins else []


def _is_plain(convolution: ov.Node, padding: int) -> bool:
    """Whether it takes each pixel once, of maps with so many zeros around."""
    around = [padding] * 2
    plain = {"strides": _ONCE, "dilations": _ONCE, "pads_begin": around, "pads_end": around}
    return bool(plain.items() <= convolution.get_attributes().items())


def _enlarged_from(node: ov.Node) -> ov.Output | None:
    """The maps that a node has twice as large, each pixel four times; None where it has not."""
    if not is_a(node, "Transpose"):
        return None
    interpolated = node.input_value(0).get_node()
    attributes = interpolated.get_attributes()
    if not is_a(interpolated, "Interpolate") or not _NEAREST.items() <= attributes.items():
        return None
    # TensorFlow's order of axes, in which it is enlarged.
    transposed = interpolated.input_value(0).get_node()
    if not is_a(transposed, "Transpose"):
        return None
    small: ov.Output = transposed.input_value(0)
    doubled = [2 * side for side in _sides(small)]
    return small if _sides(node.output(0)) == doubled else None


def _sides(maps: ov.Output) -> list[int]:
    shape = maps.get_partial_shape()
    return [shape[axis].get_max_length() for axis in (2, 3)]


def _summed(kernel: Floats) -> Floats:
    """The kernel `[in, out, 4, 4]` of a transposed convolution of stride 2, padded by 1.

    Args:
        kernel: `[out, in, 3, 3]` of the convolution of the enlarged maps.
    """
    outputs, inputs, _, _ = kernel.shape
    summed = np.zeros((inputs, outputs, 4, 4), np.float32)
    # It is applied the other way round, to the two rows and the two columns that were alike.
    turned = kernel.transpose(1, 0, 2, 3)[..., ::-1, ::-1]
    for row in (0, 1):
        for column in (0, 1):
            summed[..., row : row + 3, column : column + 3] += turned
    return summed


def _pad_in_pooling(pooling: ov.Node) -> None:
    """Where zeros are put around what comes out of a ReLU, and the most is taken, only do that."""
    padding, attributes = pooling.input_value(0).get_node(), pooling.get_attributes()
    if not is_a(padding, "Pad") or any(attributes["pads_begin"] + attributes["pads_end"]):
        return
    source, *given = padding.input_values()
    begin, end, *value = (constant(one) for one in given)
    if not is_a(source.get_node(), "Relu") or begin is None or end is None:
        return
    # None given is zero.
    if any(v is None or v.any() for v in value):
        return
    if padding.get_attributes()["pad_mode"] != "constant" or begin[:2].any() or end[:2].any():
        return
    before, after = (pads[2:].astype(int).tolist() for pads in (begin, end))
    names = "strides", "dilations", "kernel", "rounding_type"
    strides, dilations, kernel, rounding = (attributes[name] for name in names)
    # A place where there is nothing but padding has no most.
    if min(before + after) < 0 or max(before + after) >= min(kernel):
        return
    pooled = ops.max_pool(source, strides, dilations, before, after, kernel, rounding)
    _replace(pooling, pooled)


def _replace(node: ov.Node, by: ov.Node) -> None:
    feed(node.output(0).get_target_inputs(), by.output(0))
