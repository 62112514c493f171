from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import openvino as ov
import pytest
from openvino import properties

from app import cores
from app.inference import openvino_engine
from app.inference.engine import Answers
from app.inference.openvino_engine import OpenVINOEngine
from model_store.store import ModelVersion
from tests.app.inference.subprocesses import python
from training import data

WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras")))  # makes their import fail
import numpy as np
from pathlib import Path
from app.inference.engine import load
from model_store.store import resolve
engine = load(resolve(Path({root!r})))
images = np.full((1, 224, 224, 1), 128, np.uint8)
print(engine.name, *engine.infer(images).logit)
"""


@pytest.fixture(scope="module")
def engine(tiny_model: ModelVersion) -> OpenVINOEngine:
    return OpenVINOEngine(tiny_model.path)


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


def test_threads_get_their_own_answers(
    engine: OpenVINOEngine, parts: dict[str, data.Images]
) -> None:
    images = parts[data.VALIDATION].pixels
    batches = [images[start : start + 1] for start in range(16)]
    alone = [engine.infer(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine.infer, batches * 4))
    for index, found in enumerate(together):
        expected = alone[index % len(alone)]
        assert found.logit == expected.logit
        assert np.array_equal(found.cam, expected.cam)


def test_answers_outlive_the_next_inference(
    engine: OpenVINOEngine, parts: dict[str, data.Images]
) -> None:
    images = parts[data.VALIDATION].pixels
    first = engine.infer(images[:1])
    kept = first.logit.copy()
    engine.infer(images[1:2])
    assert first.logit == kept


@pytest.mark.parametrize(
    ("probability", "again"),
    [(0.001, False), (0.019, False), (0.021, True), (0.4, True), (0.979, True), (0.999, False)],
)
def test_doubtful_answers_are_computed_again_in_float32(
    probability: float, again: bool, tiny_model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = OpenVINOEngine(tiny_model.path)
    fast, exact = object(), object()

    def infer(compiled: object, images: npt.NDArray[np.uint8]) -> Answers:
        value = np.full(1, 0.5 if compiled is exact else probability, np.float32)
        return Answers(value, value, np.full((1, 7, 7), value[0]), value)

    monkeypatch.setattr(openvino_engine, "_infer", infer)
    monkeypatch.setattr(engine, "_fast", fast)
    monkeypatch.setattr(engine, "_exact", exact)
    answers = engine.infer(np.zeros((1, 224, 224, 1), np.uint8))

    expected = np.float32(0.5 if again else probability)
    for values in (answers.logit, answers.probability, answers.novelty, answers.cam):
        assert (values == expected).all()


def test_the_first_look_is_in_bfloat16_where_the_cpu_has_it(engine: OpenVINOEngine) -> None:
    precision = properties.hint.inference_precision()
    has = "BF16" in ov.Core().get_property("CPU", properties.device.capabilities())
    assert engine._exact.get_property(precision) == ov.Type.f32
    assert (engine._fast is not None) is has
    if engine._fast:
        assert engine._fast.get_property(precision) == ov.Type.bf16


def test_it_uses_no_more_cores_than_it_may(
    tiny_model: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "available", lambda: 1)
    alone = OpenVINOEngine(tiny_model.path)
    assert alone._exact.get_property(properties.inference_num_threads()) == 1
