"""Write the graph that OpenVINO computes: fast, and soon loaded."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.inference.openvino_graph import FIELD, GRAPH, WEIGHTS
from app.inference.silent_openvino import ov
from training.export.nodes import compute, constant, is_a, shift
from training.export.quantisation import quantise
from training.export.rewrites import rewrite
from training.fit.model import FIELD_SIDE

_COLOURS = 3
# Sides of the largest maps in 8 bits, the fastest first. Those of an eighth and a sixteenth of the
# classifier's field are its last two stages'; 0 is none.
SIDES = FIELD_SIDE // 8, FIELD_SIDE // 16, 0


def write(folder: Path, images: npt.NDArray[np.uint8], largest: int = SIDES[0]) -> bool:
    """Write the graph of the SavedModel in `folder` beside it; whether there was anything to gain.

    There is not where the classifier's first convolution cannot be told.

    Args:
        folder: of the SavedModel.
        images: of its training, uint8 `[N, 224, 224, 1]`; a few hundred will do.
        largest: side of the largest maps in 8 bits; 0 leaves all as they are.
    """
    model = ov.Core().read_model(folder)
    rewrite(model)
    field = _field(model)
    if field is None:
        return False
    field.set_friendly_name(FIELD)
    logit = model.output("logit").get_node().input_value(0)
    (expected,) = compute(model, [logit], images)
    if largest:
        quantise(model, field, images, largest)
    # What rounding shifts the logit by on average is taken back.
    (found,) = compute(model, [logit], images)
    names = logit.get_names()
    shifted = shift(logit, np.median(expected - found))
    logit.set_names(set())
    shifted.set_names(names)
    ov.serialize(model, folder / GRAPH, folder / WEIGHTS)
    return True


def _field(model: ov.Model) -> ov.Node | None:
    """What the first convolution of colours takes, without its padding."""
    for node in model.get_ordered_ops():
        if is_a(node, "Convolution"):
            kernel = constant(node.input_value(1))
            if kernel is not None and kernel.shape[1] == _COLOURS:
                before = node.input_value(0).get_node()
                return before.input_value(0).get_node() if is_a(before, "Pad") else before
    return None
