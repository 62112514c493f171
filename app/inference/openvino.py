"""The engine for CPUs: OpenVINO, with no TensorFlow installed."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.host import cores
from app.inference import openvino_graph
from app.inference.contract import OUTPUTS, Answers, Tensors, check_signature
from app.inference.silent_openvino import ov, properties
from model_store.store import ModelError

_CPU = Path("/proc/cpuinfo")

_Arrays = list[npt.NDArray[Any]]
_Results = Mapping[Any, npt.NDArray[Any]]


class _Stage(NamedTuple):
    """A request of a stage, and the names of what it takes and gives, each in its order.

    They are kept, since to ask a request for them takes a tenth of a millisecond.
    """

    request: ov.InferRequest
    takes: list[str]
    gives: list[set[str]]


class OpenVINOEngine:
    """The model compiled for this CPU.

    Where the version has a graph that was made for it, part of what reads the field in 8 bits, the
    rest of that in bfloat16 where the CPU has it, and what finds and shows the field in float32.
    Elsewhere the SavedModel in float32.
    """

    name = "openvino"
    # Four take a tenth less time than one by one, and had the same answers to the bit. More gain
    # little, and take memory.
    max_batch = 4

    def __init__(self, path: Path, prepared: bool = False, background: bool = False) -> None:
        """Load the model.

        Args:
            path: of the SavedModel.
            prepared: whether the graph made of it is there, too.
            background: whether to infer on one thread, of the priority that this one has.

        Raises:
            ModelError: it cannot be read, or does not keep the contract.
        """
        core = ov.Core()
        try:
            models = openvino_graph.read(core, path) if prepared else []
            if openvino_graph.may_saturate(models) and not _has_vnni():
                models = []
            models = models or [core.read_model(path)]
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(f"OpenVINO cannot read the model {path}.") from error
        outputs = [port for model in models for port in model.outputs]
        check_signature(path, _tensors(models[0].inputs), _tensors(outputs))
        capabilities = core.get_property("CPU", properties.device.capabilities())
        # Of the second stage, which the SavedModel has not.
        fast = ov.Type.bf16 if properties.device.Capability.BF16 in capabilities else ov.Type.f32
        # OpenVINO itself looks at the cores, not at what a container may use of them.
        threads = 1 if background else cores.available()

        def compiled(model: ov.Model, precision: ov.Type) -> ov.CompiledModel:
            hints = {
                properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
                properties.hint.inference_precision(): precision,
                properties.inference_num_threads(): threads,
            }
            return core.compile_model(model, "CPU", hints)

        # Each takes one core, for most of a start's time.
        with ThreadPoolExecutor() as pool:
            stages = list(pool.map(compiled, models, (ov.Type.f32, fast)))
        self._infer = _infer_in_its_thread if background else _infer_in_this_thread
        self.device = str(core.get_property("CPU", properties.device.full_name()))
        self.streams = int(stages[0].get_property(properties.streams.num()))
        # To make the stages' requests takes a millisecond, so each stream has its own.
        self._idle: SimpleQueue[list[_Stage]] = SimpleQueue()
        for _ in range(self.streams):
            self._idle.put([_stage(stage) for stage in stages])

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        known: dict[str, npt.NDArray[Any]] = {"image": images}
        stages = self._idle.get()
        try:
            for request, takes, gives in stages:
                results = self._infer(request, [known[name] for name in takes])
                for names, result in zip(gives, results.values(), strict=True):
                    known |= dict.fromkeys(names, result)
            return Answers(**{name: np.array(known[name]) for name in OUTPUTS})
        finally:
            self._idle.put(stages)


def _stage(compiled: ov.CompiledModel) -> _Stage:
    takes = [port.any_name for port in compiled.inputs]
    return _Stage(compiled.create_infer_request(), takes, [port.names for port in compiled.outputs])


def _infer_in_this_thread(request: ov.InferRequest, inputs: _Arrays) -> _Results:
    results: _Results = request.infer(inputs, share_inputs=True, share_outputs=True)
    return results


def _infer_in_its_thread(request: ov.InferRequest, inputs: _Arrays) -> _Results:
    """Infer in OpenVINO's own thread, which has the priority of the one that loaded the model.

    If this one had a low priority, Python would wait with it for its turn.
    """
    request.start_async(inputs, share_inputs=True)
    request.wait()
    results: _Results = request.results
    return results


def _has_vnni() -> bool:
    """Whether the CPU has instructions for 8 bits, which add products in 32 bits."""
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
