"""The engine for CPUs: OpenVINO, which reads the SavedModel with no TensorFlow installed."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import properties

from app import cores
from app.inference.engine import INPUTS, OUTPUTS, Answers, Tensors, check_signature
from model_store.store import ModelError

# Probabilities between these are computed in float32.
_DOUBTFUL = 0.02, 0.98


class OpenVINOEngine:
    """The model compiled for this CPU.

    Where the CPU has instructions for bfloat16 the first look is in it, in a third to a half of
    float32's time. On 1,044 held-out X-rays bfloat16 moved probabilities by up to 0.12, but those
    that it put below 0.02 or above 0.98 by 0.01 at most. All others, one image in five of that set,
    get a second look in float32. The novelty, which has to tell a hand from a chest, moved by up to
    7 %.
    """

    name = "openvino"
    # More at a time are hardly faster on a CPU, and an image's answer would depend, in its last
    # digits, on what it is read with.
    max_batch = 1

    def __init__(self, path: Path) -> None:
        core = ov.Core()
        try:
            model = core.read_model(path)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot read the model {path}.") from error
        check_signature(path, _tensors(model.inputs), _tensors(model.outputs))
        self._exact = _compile(core, model, ov.Type.f32)
        capabilities = core.get_property("CPU", properties.device.capabilities())
        fast = properties.device.Capability.BF16 in capabilities
        self._fast = _compile(core, model, ov.Type.bf16) if fast else None
        self.device = str(core.get_property("CPU", properties.device.full_name()))
        self.streams = int(self._exact.get_property(properties.streams.num()))
        # Here, since no warm-up can tell which image will need it: the first inference lays out
        # the weights.
        _infer(self._exact, np.zeros((1, *INPUTS["image"][1][1:]), np.uint8))

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        if self._fast:
            answers = _infer(self._fast, images)
            low, high = _DOUBTFUL
            if not low <= answers.probability[0] <= high:
                return answers
        return _infer(self._exact, images)


def _compile(core: ov.Core, model: ov.Model, precision: ov.Type) -> ov.CompiledModel:
    return core.compile_model(
        model,
        "CPU",
        {
            properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
            properties.hint.inference_precision(): precision,
            # OpenVINO itself looks at the cores, not at what a container may use of them.
            properties.inference_num_threads(): cores.available(),
        },
    )


def _infer(compiled: ov.CompiledModel, images: npt.NDArray[np.uint8]) -> Answers:
    results = compiled.create_infer_request().infer({"image": images})
    return Answers(**{name: np.array(results[name]) for name in OUTPUTS})


def _tensors(ports: list[ov.Output]) -> Tensors:
    return {
        name: (
            port.element_type.to_dtype().name,
            None
            if port.partial_shape.rank.is_dynamic
            else tuple(None if d.is_dynamic else d.get_length() for d in port.partial_shape),
        )
        for port in ports
        for name in port.names
    }
