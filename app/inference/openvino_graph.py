"""The graph that OpenVINO computes, beside the SavedModel whose weights it shares.

It is OpenVINO's own format, compressed. What the graph shares it has as an input, named after the
offset in the SavedModel's variables. `training.openvino_graph` writes it.
"""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.silent_openvino import ops, ov

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
            replace(parameter.output(0), ops.constant(_shared(parameter, variables)).output(0))
            model.remove_parameter(parameter)
    if exact:
        unround(model)
    else:
        _round_kernels(model)
    model.validate_nodes_and_infer_types()
    return model


def unround(model: ov.Model) -> None:
    """Leave out of a graph what makes it compute in 8 bits."""
    for node in model.get_ops():
        if _rounds(node) or node.get_friendly_name() == CORRECTION:
            replace(node.output(0), node.input_value(0))


def replace(output: ov.Output, by: ov.Output) -> None:
    """Let all that took an output take another one, which gets its names too."""
    for target in output.get_target_inputs():
        target.replace_source_output(by)
    by.add_names(output.get_names())


def _shared(parameter: ov.Node, variables: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """What the SavedModel's variables have for an input of the graph."""
    start = int(parameter.get_friendly_name().removeprefix(SHARED))
    dtype, shape = parameter.get_element_type().to_dtype(), tuple(parameter.get_shape())
    values = np.frombuffer(variables[start : start + dtype.itemsize * int(np.prod(shape))], dtype)
    if len(shape) < len(CHANNELS_FIRST):
        return values.reshape(shape)
    kept = values.reshape([shape[axis] for axis in CHANNELS_LAST])
    return np.ascontiguousarray(kept.transpose(CHANNELS_FIRST))


def _round_kernels(model: ov.Model) -> None:
    """Round kernels to 8 bits as OpenVINO would; but it would take a second for all."""
    for node in model.get_ops():
        if _rounds(node) and node.get_attributes()["levels"] == KERNEL_LEVELS:
            kernel, most = _values(node.input_value(0)), _values(node.input_value(2))
            step = most / (KERNEL_LEVELS // 2)
            rounded = ops.constant(np.rint(kernel / step).astype(np.int8))
            restored = ops.multiply(ops.convert(rounded, ov.Type.f32), ops.constant(step))
            replace(node.output(0), restored.output(0))


def _rounds(node: ov.Node) -> bool:
    return bool(node.get_type_name() == "FakeQuantize")


def _values(output: ov.Output) -> npt.NDArray[np.float32]:
    """Of a constant in float32, or of a product of such."""
    node: Any = output.get_node()
    if node.get_type_name() == "Constant":
        values: npt.NDArray[np.float32] = node.data.astype(np.float32, copy=False)
        return values
    first, *others = [_values(value) for value in node.input_values()]
    return first * others[0] if others else first
