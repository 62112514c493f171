"""The engine for GPUs, and the reference that the other is checked against."""

import os
from contextlib import suppress
from pathlib import Path

# isort: split
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from app.inference.contract import OUTPUTS, Answers, Tensors, check_signature
from model_store.store import ModelError


class TensorFlowEngine:
    """The SavedModel in TensorFlow, on the first GPU where there is one."""

    name = "tensorflow"
    streams = 1
    max_batch = 32

    def __init__(self, path: Path, mixed_precision: bool = False) -> None:
        """Load the model.

        Args:
            path: of the SavedModel.
            mixed_precision: whether a GPU computes in float16 where TensorFlow holds that safe.

        Raises:
            ModelError: it cannot be read, or breaks the contract.
        """
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision": mixed_precision})
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            _let_memory_grow(gpu)
        self.device = _name(gpus[0]) if gpus else "CPU"
        self._pads = bool(gpus)
        try:
            self._model = tf.saved_model.load(str(path))
            self._serve = self._model.signatures["serving_default"]
        except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
            raise ModelError(f"TensorFlow cannot read the model {path}.") from error
        inputs = self._serve.structured_input_signature[1]
        check_signature(path, _tensors(inputs), _tensors(self._serve.structured_outputs))

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        count = len(images)
        results = self._serve(image=tf.constant(_padded(images) if self._pads else images))
        return Answers(**{name: results[name].numpy()[:count] for name in OUTPUTS})


def _let_memory_grow(gpu: tf.config.PhysicalDevice) -> None:
    """Take a GPU's memory as it is needed, where this process has not used the GPU before.

    One that has, as a training does, took it in its own way, and TensorFlow allows no change then.
    """
    with suppress(RuntimeError):
        tf.config.experimental.set_memory_growth(gpu, True)


def _padded(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The images and blank ones, up to a power of two: a GPU prepares for each size of batch anew.

    The warm-up goes through the same sizes.
    """
    missing = (1 << (len(images) - 1).bit_length()) - len(images)
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)))


def _name(gpu: tf.config.PhysicalDevice) -> str:
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))


def _tensors(specs: dict[str, tf.TensorSpec]) -> Tensors:
    return {
        name: (spec.dtype.name, None if spec.shape.rank is None else tuple(spec.shape.as_list()))
        for name, spec in specs.items()
    }
