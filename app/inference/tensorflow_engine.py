"""The engine for GPUs, and the reference that the other is checked against."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from app.inference.engine import OUTPUTS, Answers, Tensors, check_signature
from model_store.store import ModelError


class TensorFlowEngine:
    """The SavedModel in TensorFlow, on the first GPU where there is one."""

    name = "tensorflow"
    streams = 1
    max_batch = 32

    def __init__(self, path: Path) -> None:
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        self.device = _name(gpus[0]) if gpus else "CPU"
        try:
            self._model = tf.saved_model.load(str(path))
            self._serve = self._model.signatures["serving_default"]
        except (OSError, LookupError, ValueError, tf.errors.OpError) as error:
            raise ModelError(f"TensorFlow cannot read the model {path}.") from error
        inputs = self._serve.structured_input_signature[1]
        check_signature(path, _tensors(inputs), _tensors(self._serve.structured_outputs))

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        results = self._serve(image=tf.constant(images))
        return Answers(**{name: results[name].numpy() for name in OUTPUTS})


def _name(gpu: tf.config.PhysicalDevice) -> str:
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))


def _tensors(specs: dict[str, tf.TensorSpec]) -> Tensors:
    return {
        name: (spec.dtype.name, None if spec.shape.rank is None else tuple(spec.shape.as_list()))
        for name, spec in specs.items()
    }
