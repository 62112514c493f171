"""The engine for CPUs: OpenVINO, with no TensorFlow installed."""

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app import cores
from app.inference import openvino_graph
from app.inference.engine import OUTPUTS, Answers, Tensors, check_signature
from app.inference.silent_openvino import ov, properties
from model_store.store import ModelError

_CPU = Path("/proc/cpuinfo")


class OpenVINOEngine:
    """The model compiled for this CPU.

    Where the version has a graph that was made for it, most of it in 8 bits and the rest in
    bfloat16, as far as the CPU has instructions for them; all else in float32.
    """

    name = "openvino"
    # Four take a tenth less time than one by one, and had the same answers to the bit. More gain
    # little, and take memory.
    max_batch = 4

    def __init__(self, path: Path, prepared: bool = False) -> None:
        """Load what is in `path`: its SavedModel, or the graph `prepared` from it.

        Raises:
            ModelError: it cannot be read, or does not keep the contract.
        """
        core = ov.Core()
        try:
            model = (
                openvino_graph.read(core, path, exact=not has_vnni())
                if prepared
                else core.read_model(path)
            )
        # A ValueError where the variables are shorter than the graph has it.
        except (EOFError, OSError, RuntimeError, ValueError, zlib.error) as error:
            raise ModelError(f"OpenVINO cannot read the model {path}.") from error
        check_signature(path, _tensors(model.inputs), _tensors(model.outputs))
        capabilities = core.get_property("CPU", properties.device.capabilities())
        bfloat16 = prepared and properties.device.Capability.BF16 in capabilities
        self._compiled = core.compile_model(
            model,
            "CPU",
            {
                properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
                properties.hint.inference_precision(): ov.Type.bf16 if bfloat16 else ov.Type.f32,
                # OpenVINO itself looks at the cores, not at what a container may use of them.
                properties.inference_num_threads(): cores.available(),
            },
        )
        self.device = str(core.get_property("CPU", properties.device.full_name()))
        self.streams = int(self._compiled.get_property(properties.streams.num()))

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        results = self._compiled.create_infer_request().infer({"image": images})
        return Answers(**{name: np.array(results[name]) for name in OUTPUTS})


def has_vnni() -> bool:
    """Whether the CPU has instructions for 8 bits; without them x86 saturates their products."""
    try:
        return "vnni" in _CPU.read_text()
    except OSError:
        return False


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
