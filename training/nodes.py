"""What the makers of OpenVINO's graph ask of its nodes."""

from typing import Any

import numpy as np
import openvino as ov

from app.inference.engine import Floats


def is_a(node: ov.Node, *kinds: str) -> bool:
    return node.get_type_name() in kinds


def constant(output: ov.Output) -> Floats | None:
    """The values of an output in float32, where it is a constant."""
    node: Any = output.get_node()
    if is_a(node, "Convert"):
        node = node.input_value(0).get_node()
    return node.data.astype(np.float32) if is_a(node, "Constant") else None
