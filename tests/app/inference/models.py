"""SavedModels that keep the contract, or break it where a test wants them to."""

import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from app.imaging.decode import MODEL_SIDE

NUMBERS = ("logit", "probability", "novelty")
MAPS = ("cam", "lungs")
IMAGE = tf.TensorSpec((None, MODEL_SIDE, MODEL_SIDE, 1), tf.uint8, name="image")


class Brightness(tf.Module):
    """A model whose every output is the image's mean, times a variable that is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.one = tf.Variable(1.0)

    def serve(self, image: tf.Tensor, extra: tf.Tensor = 0) -> dict[str, tf.Tensor]:
        mean = tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2)) * self.one
        mean += tf.cast(extra, tf.float32)
        numbers = dict.fromkeys(NUMBERS, mean[:, 0])
        maps = dict.fromkeys(MAPS, tf.tile(mean[:, :, tf.newaxis], (1, 3, 3)))
        return numbers | maps | {"field": tf.tile(mean, (1, 4))}


def save(
    folder: Path,
    *,
    image: tf.TensorSpec = IMAGE,
    extra: tf.TensorSpec | None = None,
    without: str = "",
    signature: str = "serving_default",
    **outputs: Any,
) -> Path:
    """Write a SavedModel.

    Args:
        folder: its directory.
        image: what it takes as `image`.
        extra: what it takes besides.
        without: the output that is left out.
        signature: the name that its function goes by.
        outputs: by name, a function of an output that replaces it.

    Returns:
        The folder.
    """
    model = Brightness()
    specs = {"image": image} | ({"extra": extra} if extra is not None else {})

    def serve(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        found = model.serve(**inputs)
        return {
            name: outputs.get(name, tf.identity)(value)
            for name, value in found.items()
            if name != without
        }

    function = tf.function(serve).get_concrete_function(**specs)
    tf.saved_model.save(model, str(folder), {signature: function})
    return folder


def copied(path: Path, to: Path, *without: str) -> Path:
    """A copy of a model, to be broken, without the files or folders of these names."""
    return Path(shutil.copytree(path, to / "broken", ignore=shutil.ignore_patterns(*without)))
