"""The SavedModel in Keras, TensorFlow and OpenVINO, as their documentation loads and calls it.

Keras: https://keras.io/api/layers/backend_specific_layers/tfsm_layer/
TensorFlow: https://www.tensorflow.org/guide/saved_model
OpenVINO: https://docs.openvino.ai/2025/openvino-workflow/running-inference.html
"""

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.contestants.job import MODEL

Predict = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


def chosen() -> Predict:
    """The model in the runtime that the variable `BENCHMARK_RUNTIME` names."""
    known: dict[str, Callable[[], Predict]] = {
        "keras": Keras,
        "tensorflow": TensorFlow,
        "openvino": OpenVINO,
    }
    return known[os.environ["BENCHMARK_RUNTIME"]]()


class Keras:
    """A Keras model around the SavedModel: uint8 `[N, 224, 224, 1]` to the probabilities `[N]`."""

    def __init__(self) -> None:
        import keras

        layer = keras.layers.TFSMLayer(str(MODEL.path), call_endpoint="serving_default")
        image = keras.Input((224, 224, 1), dtype="uint8", name="image")
        self._model = keras.Model(image, layer(image)["probability"])

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._model.predict(images, verbose=0)


class TensorFlow:
    """The signature of the SavedModel: uint8 `[N, 224, 224, 1]` to the probabilities `[N]`."""

    def __init__(self) -> None:
        import tensorflow as tf

        # A signature does not keep its model alive.
        self._model = tf.saved_model.load(str(MODEL.path))
        self._signature = self._model.signatures["serving_default"]
        self._constant = tf.constant

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._signature(image=self._constant(images))["probability"].numpy()


class OpenVINO:
    """The compiled model: uint8 `[N, 224, 224, 1]` to the probabilities `[N]`.

    In float32. Where the CPU has bfloat16 OpenVINO takes that by itself, also to find the lungs,
    and 14 of 250 X-rays got the other label.
    """

    def __init__(self) -> None:
        from app.inference.silent_openvino import ov

        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = ov.Core().compile_model(MODEL.path, "CPU", hints)

    def __call__(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        request = self._compiled.create_infer_request()
        return np.array(request.infer({"image": images})["probability"])
