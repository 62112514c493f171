"""The job that every contestant does: decode with Pillow, resize, and answer with a label.

Only the way from the request to these functions and to the model differs between them.
"""

from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_store.store import resolve

# The label and the probability, as they go back in JSON.
Answer = dict[str, str | float]

MODEL = resolve()

_THRESHOLD = MODEL.manifest.calibration.operating_point.threshold
_SIDE = 224


def decode(file: IO[bytes]) -> npt.NDArray[np.uint8]:
    """An image file to uint8 `[224, 224, 1]`."""
    with Image.open(file) as image:
        return to_model_input(image)


def to_model_input(image: Image.Image) -> npt.NDArray[np.uint8]:
    """An image to uint8 `[224, 224, 1]`, by the filter that the training used."""
    resized = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return np.asarray(resized)[:, :, np.newaxis]


def answer(probability: float) -> Answer:
    """The answer to an image."""
    label = "PNEUMONIA" if probability >= _THRESHOLD else "NORMAL"
    return {"label": label, "probability": float(probability)}
