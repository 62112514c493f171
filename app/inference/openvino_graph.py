"""The graph that OpenVINO computes, beside the SavedModel whose weights it shares.

`openvino.xml` and `openvino.bin` are OpenVINO's own format. What the graph shares it has as an
input, named after the offset in the SavedModel's variables. `training.openvino_graph` writes it.
"""

from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

GRAPH = "openvino.xml"
WEIGHTS = "openvino.bin"
VARIABLES = "variables/variables.data-00000-of-00001"
SHARED = "variables+"


def read(core: ov.Core, folder: Path) -> ov.Model:
    """Read the graph of a model version, complete.

    Raises:
        OSError: the variables are missing.
        RuntimeError: OpenVINO cannot read the graph.
        ValueError: the variables are shorter than the graph has it.
    """
    model = core.read_model(folder / GRAPH)
    variables = np.memmap(folder / VARIABLES, np.uint8, "r")
    for parameter in model.get_parameters():
        name = parameter.get_friendly_name()
        if name.startswith(SHARED):
            start = int(name.removeprefix(SHARED))
            dtype, shape = parameter.get_element_type().to_dtype(), tuple(parameter.get_shape())
            size = dtype.itemsize * int(np.prod(shape))
            values = np.frombuffer(variables[start : start + size], dtype).reshape(shape)
            for target in parameter.output(0).get_target_inputs():
                target.replace_source_output(ops.constant(values).output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return model
