"""Write the graph that OpenVINO computes: fast, soon loaded, hardly a file larger.

From the SavedModel itself it takes half a second more to load, and a hundred megabytes.
"""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from app.inference.openvino_engine import has_vnni
from app.inference.openvino_graph import (
    CHANNELS_LAST,
    GRAPH,
    SHARED,
    VARIABLES,
    WEIGHTS,
    replace,
)
from app.inference.silent_openvino import ops, ov
from training import stem
from training.quantisation import quantise

# In bytes. Anything smaller could be found anywhere.
_WORTH_IT = 1024


def write(folder: Path, images: npt.NDArray[np.uint8]) -> bool:
    """Write the graph of the SavedModel in `folder` beside it; whether its stem could be exact.

    Args:
        folder: of the SavedModel.
        images: of its training, uint8 `[N, 224, 224, 1]`; a few hundred will do.
    """
    model = ov.Core().read_model(folder)
    if not stem.make_exact(model):
        return False
    # Elsewhere nobody could tell what 8 bits lose.
    if has_vnni():
        quantise(model, images)
    _share(model, (folder / VARIABLES).read_bytes())
    with TemporaryDirectory() as temporary:
        graph = Path(temporary) / "graph.xml"
        ov.serialize(model, graph, folder / WEIGHTS)
        # Without the time, so that the same graph is the same file.
        (folder / GRAPH).write_bytes(gzip.compress(graph.read_bytes(), mtime=0))
    return True


def _share(model: ov.Model, variables: bytes) -> None:
    """Turn each constant that is among a SavedModel's variables into an input."""
    constants: list[Any] = [o for o in model.get_ordered_ops() if o.get_type_name() == "Constant"]
    for constant in constants:
        values: npt.NDArray[Any] = constant.data
        if values.nbytes < _WORTH_IT:
            continue
        kept = values.transpose(CHANNELS_LAST) if values.ndim == 4 else values
        start = variables.find(kept.tobytes())
        if start >= 0:
            shared = ops.parameter(values.shape, values.dtype, name=f"{SHARED}{start}")
            replace(constant.output(0), shared.output(0))
            model.add_parameters([shared])
