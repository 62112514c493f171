"""Write the graph that OpenVINO computes: soon loaded, exact in bfloat16, hardly a file larger.

From the SavedModel itself it takes half a second more to load, and a hundred megabytes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from app.inference.openvino_graph import GRAPH, SHARED, VARIABLES
from training import stem

# In bytes. Anything smaller could be found anywhere.
_WORTH_IT = 1024
# Of kernels, as Keras has them, and as OpenVINO does, which turns them when it compiles.
_CHANNELS_LAST = 2, 3, 1, 0
_CHANNELS_FIRST = 3, 2, 0, 1


def write(folder: Path) -> bool:
    """Write the graph of the SavedModel in `folder` beside it; whether its stem could be exact."""
    model = ov.Core().read_model(folder)
    if not stem.make_exact(model):
        return False
    _share(model, (folder / VARIABLES).read_bytes())
    ov.serialize(model, folder / GRAPH)
    return True


def _share(model: ov.Model, variables: bytes) -> None:
    """Turn each constant that is among a SavedModel's variables into an input."""
    constants: list[Any] = [o for o in model.get_ordered_ops() if o.get_type_name() == "Constant"]
    for constant in constants:
        values: npt.NDArray[Any] = constant.data
        if values.nbytes < _WORTH_IT:
            continue
        turned = values.ndim == 4
        kept = np.ascontiguousarray(values.transpose(_CHANNELS_LAST) if turned else values)
        start = variables.find(kept.tobytes())
        if start >= 0:
            shared = ops.parameter(kept.shape, kept.dtype, name=f"{SHARED}{start}")
            source = ops.transpose(shared, np.array(_CHANNELS_FIRST)) if turned else shared
            for target in constant.output(0).get_target_inputs():
                target.replace_source_output(source.output(0))
            model.add_parameters([shared])
