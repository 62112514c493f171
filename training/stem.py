"""The first convolution of a network, made exact in bfloat16."""

import numpy as np

from app.inference.engine import Floats
from app.inference.openvino_graph import replace
from app.inference.silent_openvino import ops, ov
from training.nodes import FLOAT32, compute, constant, is_a

_LEVELS = 256


def make_exact(model: ov.Model) -> bool:
    """Let the first convolution look at the gray levels themselves.

    bfloat16 has eight significant bits: enough for the 256 gray levels, not for what a network
    makes of them before it looks, such as three colours less the mean of each. Where each of these
    is a line, `slope * gray + offset`, the convolution of them by `w` is that of the gray image by
    the sum of `slope * w` and of a plane of ones by the sum of `offset * w`. Beyond the edges both
    are 0, as the padding was. Each of these weights goes in as the sum of two, so that it keeps 16
    bits. It is also shorter.

    Args:
        model: with the input `image`, uint8 `[N, height, width, 1]`; changed in place.

    Returns:
        Whether it could be done: not where the first convolution sees anything else.
    """
    convolution = next((o for o in model.get_ordered_ops() if is_a(o, "Convolution")), None)
    kernel = constant(convolution.input_value(1)) if convolution else None
    if convolution is None or kernel is None:
        return False
    padded = convolution.input_value(0)
    pad = padded.get_node() if is_a(padded.get_node(), "Pad") else None
    lines = _lines(model, pad.input_value(0) if pad else padded)
    if lines is None or (pad and not _pads_with_zeros(pad)):
        return False
    output, scale, shift = _normalisation(convolution)
    weights = np.einsum("ocyx,cl->olyx", kernel, lines) * scale[:, None, None, None]
    coarse = (weights.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    gray = ops.transpose(ops.convert(model.input("image"), ov.Type.f32), np.array([0, 3, 1, 2]))
    ones = ops.add(ops.multiply(gray, np.float32(0)), np.float32(1))
    planes = ops.concat([gray, ones, gray, ones], 1)
    if pad:
        planes = ops.pad(planes, pad.input_value(1), pad.input_value(2), "constant", np.float32(0))
    attributes = convolution.get_attributes()
    seen = ops.convolution(
        planes,
        ops.constant(np.concatenate([coarse, weights - coarse], axis=1)),
        attributes["strides"],
        attributes["pads_begin"],
        attributes["pads_end"],
        attributes["dilations"],
        attributes["auto_pad"],
    )
    exact = ops.add(seen, ops.constant(shift[None, :, None, None]))
    replace(output, exact.output(0))
    model.validate_nodes_and_infer_types()
    return True


def _lines(model: ov.Model, output: ov.Output) -> Floats | None:
    """The slope and the offset of each channel of an output, as of a function of the gray level.

    Returns:
        `[channels, 2]`, or None where the output is another function of the image.
    """
    image = model.input("image").get_node()
    _, height, width, _ = image.get_output_partial_shape(0)
    levels = np.arange(height.get_length() * width.get_length()) % _LEVELS
    shown = levels.reshape(1, height.get_length(), width.get_length(), 1).astype(np.uint8)
    (found,) = compute(model, [output], shown, FLOAT32)
    if found.ndim != 4 or found.shape[2:] != shown.shape[1:3]:
        return None
    seen = found[0].reshape(found.shape[1], -1)
    offset = seen[:, levels == 0].mean(axis=1)
    slope = (seen[:, levels == _LEVELS - 1].mean(axis=1) - offset) / (_LEVELS - 1)
    straight = slope[:, None] * levels + offset[:, None]
    if not np.allclose(seen, straight, rtol=0, atol=1e-5 * np.abs(seen).max()):
        return None
    return np.stack([slope, offset], axis=1)


def _pads_with_zeros(pad: ov.Node) -> bool:
    if pad.get_attributes()["pad_mode"] != "constant":
        return False
    value = constant(pad.input_value(3)) if pad.get_input_size() > 3 else np.zeros(1)
    return value is not None and not value.any()


def _normalisation(convolution: ov.Node) -> tuple[ov.Output, Floats, Floats]:
    """What a convolution's channels are multiplied by, and then added to them.

    OpenVINO would multiply the weights by it, and so undo their splitting.

    Returns:
        The output after all that, the factors and the summands, each `[channels]`.
    """
    output = convolution.output(0)
    channels = output.get_partial_shape()[1].get_length()
    scale, shift = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    while len(targets := output.get_target_inputs()) == 1:
        (target,) = targets
        node = target.get_node()
        if not is_a(node, "Add", "Multiply"):
            break
        values = constant(node.input_value(1 - target.get_index()))
        if values is None or values.shape != (1, channels, 1, 1):
            break
        if is_a(node, "Add"):
            shift += values.ravel()
        else:
            scale, shift = scale * values.ravel(), shift * values.ravel()
        output = node.output(0)
    return output, scale, shift
