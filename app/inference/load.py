"""Which engine computes a model."""

from importlib.util import find_spec
from pathlib import Path

from app.host import process
from app.inference.contract import Choice, Engine
from model_store.store import ModelError, ModelVersion


def load(
    model: ModelVersion,
    choice: Choice = "auto",
    mixed_precision: bool = False,
    background: bool = False,
) -> Engine:
    """Load a verified model version into the chosen engine.

    Args:
        model: the version.
        choice: of the engine.
        mixed_precision: of a GPU; OpenVINO has its own way.
        background: whether to infer on one thread, of the priority that this one has; a GPU knows
            no such order.

    Raises:
        ModelError: the engine is not installed, or the model does not keep the contract.
    """
    if choice == "tensorflow" or (choice == "auto" and _tensorflow_sees_a_gpu()):
        if find_spec("tensorflow") is None:
            raise ModelError("The engine tensorflow was asked for, but it is not installed.")
        process.use_a_temporary_folder()
        from app.inference.tensorflow import TensorFlowEngine

        return TensorFlowEngine(model.path, mixed_precision)
    from app.inference import openvino_graph
    from app.inference.openvino import OpenVINOEngine

    prepared = openvino_graph.GRAPH in model.manifest.files
    return OpenVINOEngine(model.path, prepared, background)


def _tensorflow_sees_a_gpu() -> bool:
    """Whether TensorFlow would compute on a GPU; without a driver it is not even imported."""
    if not Path("/proc/driver/nvidia/version").exists() or find_spec("tensorflow") is None:
        return False
    process.use_a_temporary_folder()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
