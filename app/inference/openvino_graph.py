"""The graph that OpenVINO computes, beside the SavedModel whose weights it shares.

It is OpenVINO's own format, compressed. What the graph shares it has as an input, named after the
offset in the SavedModel's variables. `training.openvino_graph` writes it.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

GRAPH = "openvino.xml.gz"
WEIGHTS = "openvino.bin"
VARIABLES = "variables/variables.data-00000-of-00001"
SHARED = "variables+"
# Keras' order of a kernel's axes to OpenVINO's, and back.
CHANNELS_FIRST = 3, 2, 0, 1
CHANNELS_LAST = 2, 3, 1, 0
# Those of a kernel in 8 bits, -127..127. Maps have 256.
KERNEL_LEVELS = 255
# The node that takes back what 8 bits shift the logit by.
CORRECTION = "correction"


def read(core: ov.Core, folder: Path, *, exact: bool = False) -> ov.Model:
    """Read the graph of a model version, complete.

    Args:
        core: OpenVINO's.
        folder: the version's.
        exact: without what makes it compute in 8 bits.

    Raises:
        EOFError, OSError, zlib.error: a file is missing or broken.
        RuntimeError: OpenVINO cannot read the graph.
        ValueError: the variables are shorter than the graph has it.
    """
    graph = gzip.decompress((folder / GRAPH).read_bytes())
    model = core.read_model(graph, (folder / WEIGHTS).read_bytes())
    variables = np.memmap(folder / VARIABLES, np.uint8, "r")
    for parameter in model.get_parameters():
        if parameter.get_friendly_name().startswith(SHARED):
            _replace(parameter.output(0), ops.constant(_shared(parameter, variables)).output(0))
            model.remove_parameter(parameter)
    for node in model.get_ops():
        if node.get_friendly_name() == CORRECTION and exact:
            _replace(node.output(0), node.input_value(0))
        elif node.get_type_name() == "FakeQuantize":
            if exact:
                _replace(node.output(0), node.input_value(0))
            elif node.get_attributes()["levels"] == KERNEL_LEVELS:
                _replace(node.output(0), _rounded(node).output(0))
    model.validate_nodes_and_infer_types()
    return model


def _shared(parameter: ov.Node, variables: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """What the SavedModel's variables have for an input of the graph."""
    start = int(parameter.get_friendly_name().removeprefix(SHARED))
    dtype, shape = parameter.get_element_type().to_dtype(), tuple(parameter.get_shape())
    values = np.frombuffer(variables[start : start + dtype.itemsize * int(np.prod(shape))], dtype)
    if len(shape) < len(CHANNELS_FIRST):
        return values.reshape(shape)
    kept = values.reshape([shape[axis] for axis in CHANNELS_LAST])
    return np.ascontiguousarray(kept.transpose(CHANNELS_FIRST))


def _rounded(quantiser: ov.Node) -> ov.Node:
    """A kernel in 8 bits, as OpenVINO would round it; but it would take a second for all."""
    kernel, most = _values(quantiser.input_value(0)), _values(quantiser.input_value(2))
    step = most / (KERNEL_LEVELS // 2)
    rounded = np.rint(kernel / step).astype(np.int8)
    return ops.multiply(ops.convert(ops.constant(rounded), ov.Type.f32), ops.constant(step))


def _values(output: ov.Output) -> npt.NDArray[np.float32]:
    """Of a constant in float32, or of a product of such."""
    node: Any = output.get_node()
    if node.get_type_name() == "Constant":
        values: npt.NDArray[np.float32] = node.data.astype(np.float32, copy=False)
        return values
    first, *others = [_values(value) for value in node.input_values()]
    return first * others[0] if others else first


def _replace(output: ov.Output, by: ov.Output) -> None:
    for target in output.get_target_inputs():
        target.replace_source_output(by)
    by.add_names(output.get_names())
