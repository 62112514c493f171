"""What the makers of OpenVINO's graph ask of its nodes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.contract import Floats
from app.inference.silent_openvino import ops, ov, properties

_FLOAT32 = {properties.hint.inference_precision(): ov.Type.f32}
_BATCH = 8


def is_a(node: ov.Node, *kinds: str) -> bool:
    return node.get_type_name() in kinds


def constant(output: ov.Output) -> Floats | None:
    """The values of an output in float32, where it is a constant."""
    node: Any = output.get_node()
    if is_a(node, "Convert"):
        node = node.input_value(0).get_node()
    return node.data.astype(np.float32) if is_a(node, "Constant") else None


def feed(targets: set[ov.Input], output: ov.Output) -> None:
    """Have inputs take another output than they do."""
    for target in targets:
        target.replace_source_output(output)


def shift(output: ov.Output, by: Floats | np.float32) -> ov.Output:
    """Add to an output, and so to all that is computed from it; returns the sum."""
    targets = output.get_target_inputs()
    shifted: ov.Output = ops.add(output, by).output(0)
    feed(targets, shifted)
    return shifted


def compute(
    model: ov.Model, outputs: list[ov.Output], images: npt.NDArray[np.uint8]
) -> list[Floats]:
    """What some outputs of a model's nodes have for images, in float32 where not in 8 bits.

    So a graph is the same whichever CPU wrote it.
    """
    compiled = ov.compile_model(ov.Model(outputs, model.get_parameters()), "CPU", _FLOAT32)
    starts = range(0, len(images), _BATCH)
    found = [[np.array(v) for v in compiled(images[i : i + _BATCH]).values()] for i in starts]
    return [np.concatenate(values) for values in zip(*found, strict=True)]
