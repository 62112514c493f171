import asyncio
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.host import cores
from app.host.priority import in_background
from app.inference import openvino as openvino_engine
from app.inference import openvino_graph
from app.inference.openvino import OpenVINOEngine
from app.inference.openvino_graph import GRAPH, WEIGHTS
from app.inference.silent_openvino import ov, properties
from model_store.store import ModelError, ModelVersion
from tests import tiny
from tests.app.inference.models import copied
from tests.app.inference.subprocesses import python
from training.export import openvino_ir, rounding

PRECISION = properties.hint.inference_precision()
WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras")))  # makes their import fail
import numpy as np
from pathlib import Path
from app.inference.load import load
from model_store.store import resolve
engine = load(resolve(Path({root!r})))
images = np.full((1, 224, 224, 1), 128, np.uint8)
print(engine.name, *engine.infer(images).logit)
"""


@pytest.fixture(scope="module")
def engine(tiny_model: ModelVersion) -> OpenVINOEngine:
    return OpenVINOEngine(tiny_model.path, prepared=True)


def test_what_it_says_of_itself(engine: OpenVINOEngine) -> None:
    assert engine.name == "openvino"
    assert engine.device
    assert engine.streams >= 1


def test_it_needs_no_tensorflow(engine: OpenVINOEngine, tiny_model: ModelVersion) -> None:
    root = str(tiny_model.path.parents[1])
    name, *logits = python(WITHOUT_TENSORFLOW.format(root=root)).split()
    expected = engine.infer(np.full((1, 224, 224, 1), 128, np.uint8)).logit
    assert name == "openvino"
    assert [float(logit) for logit in logits] == pytest.approx(expected, abs=1e-3)


def test_threads_get_their_own_answers(engine: OpenVINOEngine) -> None:
    images = tiny.drawn(16, 1000)
    batches = [images[start : start + 1] for start in range(16)]
    alone = [engine.infer(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine.infer, batches * 4))
    for index, found in enumerate(together):
        expected = alone[index % len(alone)]
        assert found.logit == expected.logit
        assert np.array_equal(found.cam, expected.cam)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
def test_in_the_background_it_computes_at_the_lowest_priority(
    engine: OpenVINOEngine, tiny_model: ModelVersion
) -> None:
    images = tiny.drawn(1)
    tasks = set(os.listdir("/proc/self/task"))
    load = partial(OpenVINOEngine, tiny_model.path, prepared=True, background=True)
    background = asyncio.run(in_background(load))
    before, own = _seconds(), time.thread_time()
    for _ in range(50):
        found = background.infer(images)
    after = _seconds()
    spent = {task: after[task] - before[task] for task in before.keys() & after.keys()}
    busiest = max(spent, key=lambda task: spent[task])

    assert found.probability == pytest.approx(engine.infer(images).probability, abs=tiny.LOOSE)
    assert busiest not in tasks
    assert os.getpriority(os.PRIO_PROCESS, int(busiest)) == 19
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 19
    assert time.thread_time() - own < spent[busiest]


def _seconds() -> dict[str, int]:
    """CPU time of each thread of this process, in nanoseconds."""
    found = {}
    for task in os.listdir("/proc/self/task"):
        with suppress(FileNotFoundError):
            found[task] = int(Path(f"/proc/self/task/{task}/schedstat").read_text().split()[0])
    return found


def test_answers_outlive_the_next_inference(engine: OpenVINOEngine) -> None:
    images = tiny.drawn(2)
    first = engine.infer(images[:1])
    kept = first.logit.copy()
    engine.infer(images[1:2])
    assert first.logit == kept


def test_only_what_reads_the_field_is_in_bfloat16(
    engine: OpenVINOEngine, tiny_model: ModelVersion
) -> None:
    has = "BF16" in ov.Core().get_property("CPU", properties.device.capabilities())
    fast = ov.Type.bf16 if has else ov.Type.f32
    assert [_property(stage, PRECISION) for stage in _stages(engine)] == [ov.Type.f32, fast]
    (whole,) = _stages(OpenVINOEngine(tiny_model.path, prepared=False))
    assert _property(whole, PRECISION) == ov.Type.f32


def test_it_computes_in_8_bits_on_any_cpu(
    tiny_model: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "_CPU", tmp_path / "none")
    assert _computes_in_8_bits(OpenVINOEngine(tiny_model.path, prepared=True))


@pytest.fixture(scope="module")
def older(tiny_model: ModelVersion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version whose kernels are of up to 127, as those before version 7 are."""
    folder = copied(tiny_model.path, tmp_path_factory.mktemp("older"), GRAPH, WEIGHTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounding, "MOST", 127)
        patch.setattr(openvino_graph, "MOST", 127)
        assert openvino_ir.write(folder, tiny.drawn(4))
    return folder


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [("flags: sse avx512_vnni", True), ("flags: sse avx_vnni", True), ("flags: sse avx2", False)],
)
def test_an_older_versions_8_bits_need_instructions_for_them(
    cpu: str, expected: bool, older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(cpu)
    monkeypatch.setattr(openvino_engine, "_CPU", told)
    assert _computes_in_8_bits(OpenVINOEngine(older, prepared=True)) is expected


def test_an_older_versions_8_bits_are_not_taken_where_nothing_tells_of_the_cpu(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "_CPU", tmp_path / "none")
    assert not _computes_in_8_bits(OpenVINOEngine(older, prepared=True))


def _computes_in_8_bits(engine: OpenVINOEngine) -> bool:
    models = [stage.get_runtime_model() for stage in _stages(engine)]
    told = [node.get_rt_info() for model in models for node in model.get_ordered_ops()]
    convolutions = [info for info in told if info["layerType"].astype(str) == "Convolution"]
    return any(info["runtimePrecision"].astype(str) == "u8" for info in convolutions)


def _stages(engine: OpenVINOEngine) -> list[ov.CompiledModel]:
    stages = engine._idle.get()
    engine._idle.put(stages)
    return [stage.request.get_compiled_model() for stage in stages]


def _property(stage: ov.CompiledModel, name: str) -> object:
    return stage.get_property(name)


def test_the_graph_answers_as_the_savedmodel_does(
    engine: OpenVINOEngine, tiny_model: ModelVersion
) -> None:
    images = tiny.drawn(4, 1000)
    found, expected = engine.infer(images), OpenVINOEngine(tiny_model.path, False).infer(images)
    np.testing.assert_allclose(found.probability, expected.probability, atol=tiny.LOOSE)
    np.testing.assert_allclose(found.lungs, expected.lungs, atol=tiny.LOOSE)
    np.testing.assert_allclose(found.novelty, expected.novelty, rtol=2 * tiny.LOOSE)


@pytest.mark.parametrize("missing", ["openvino.xml", "openvino.bin"])
def test_a_graph_that_is_not_whole_is_refused(
    missing: str, tiny_model: ModelVersion, tmp_path: Path
) -> None:
    folder = copied(tiny_model.path, tmp_path, missing)
    with pytest.raises(ModelError, match="cannot read"):
        OpenVINOEngine(folder, prepared=True)


def test_a_graph_that_is_cut_off_is_refused(tiny_model: ModelVersion, tmp_path: Path) -> None:
    folder = copied(tiny_model.path, tmp_path)
    graph = folder / openvino_graph.GRAPH
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot read"):
        OpenVINOEngine(folder, prepared=True)


def test_a_graph_that_names_no_stages_is_refused(tiny_model: ModelVersion, tmp_path: Path) -> None:
    folder = copied(tiny_model.path, tmp_path)
    graph = folder / openvino_graph.GRAPH
    graph.write_text(graph.read_text().replace(f'name="{openvino_graph.FIELD}"', 'name="other"'))
    with pytest.raises(ModelError, match="cannot read"):
        OpenVINOEngine(folder, prepared=True)


def test_an_answer_does_not_depend_on_the_images_beside_it(engine: OpenVINOEngine) -> None:
    images = tiny.drawn(engine.max_batch, 1000)
    together = engine.infer(images)
    assert len(together.probability) == engine.max_batch > 1
    for index, image in enumerate(images):
        alone = engine.infer(image[np.newaxis])
        np.testing.assert_allclose(together.logit[index], alone.logit[0], atol=1e-3)
        np.testing.assert_allclose(together.novelty[index], alone.novelty[0], rtol=1e-3)
        np.testing.assert_allclose(together.cam[index], alone.cam[0], rtol=1e-3, atol=1e-3)


def test_it_uses_no_more_cores_than_it_may(
    tiny_model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "available", lambda: 1)
    alone = OpenVINOEngine(tiny_model.path, prepared=True)
    threads = properties.inference_num_threads()
    assert {_property(stage, threads) for stage in _stages(alone)} == {1}
