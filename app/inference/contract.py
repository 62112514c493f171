"""What an engine is, and what it must find in a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from app.imaging.decode import MODEL_SIDE
from model_store.store import ModelError

Floats = npt.NDArray[np.float32]
Choice = Literal["auto", "tensorflow", "openvino"]

# The SavedModel's `serving_default`: dtype and shape, None where any size will do.
INPUTS = {"image": ("uint8", (None, MODEL_SIDE, MODEL_SIDE, 1))}
OUTPUTS = {
    "logit": ("float32", (None,)),
    "probability": ("float32", (None,)),
    "cam": ("float32", (None, None, None)),
    "lungs": ("float32", (None, None, None)),
    "field": ("float32", (None, 4)),
    "novelty": ("float32", (None,)),
}

Tensors = Mapping[str, tuple[str, tuple[int | None, ...] | None]]


@dataclass(frozen=True)
class Answers:
    """The model's outputs for N images.

    Attributes:
        logit: `[N]`, log-odds of PNEUMONIA before calibration.
        probability: `[N]`, calibrated P(PNEUMONIA).
        cam: `[N, h, w]`, what each place argues for PNEUMONIA, or against it where negative, before
            the ReLU and in the frame of the whole image; 0 outside the field.
        lungs: `[N, h, w]`, P(lung) of each place, in the same frame.
        field: `[N, 4]`, the box that the classifier saw: left, top, right and bottom in shares of
            the image, beyond which it may reach.
        novelty: `[N]`, distance from the training images' features.
    """

    logit: Floats
    probability: Floats
    cam: Floats
    lungs: Floats
    field: Floats
    novelty: Floats


class Engine(Protocol):
    """A loaded model. `infer` may be called from `streams` threads at once."""

    name: str
    device: str
    streams: int
    max_batch: int

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        """Answer for uint8 `[N, 224, 224, 1]`, N at most `max_batch`."""
        ...


def check_signature(path: Path, inputs: Tensors, outputs: Tensors) -> None:
    """Hold a model's tensors against the contract.

    Raises:
        ModelError: naming the first tensor that is missing or of another dtype or shape.
    """
    for kind, expected, found in (("input", INPUTS, inputs), ("output", OUTPUTS, outputs)):
        for name, (dtype, shape) in expected.items():
            if name not in found:
                raise ModelError(f"The model {path} has no {kind} {name!r}.")
            found_dtype, found_shape = found[name]
            if found_dtype != dtype or not _fits(shape, found_shape):
                raise ModelError(
                    f"The model {path} has the {kind} {name!r} as {found_dtype} {found_shape}, "
                    f"not as {dtype} {shape}."
                )
    if extra := inputs.keys() - INPUTS.keys():
        raise ModelError(f"The model {path} has inputs that we know nothing of: {sorted(extra)}.")


def _fits(expected: tuple[int | None, ...], found: tuple[int | None, ...] | None) -> bool:
    """Whether shapes agree; a size that either side leaves open agrees with any."""
    if found is None:
        return True
    return len(found) == len(expected) and all(
        a == b or a is None or b is None for a, b in zip(expected, found, strict=True)
    )
