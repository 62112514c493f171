from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
import pytest
from openvino import properties

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
images = np.full((2, 224, 224, 1), 128, np.uint8)
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
    expected = engine.infer(np.full((2, 224, 224, 1), 128, np.uint8)).logit
    assert name == "openvino"
    assert [float(logit) for logit in logits] == pytest.approx(expected, abs=1e-3)


def test_threads_get_their_own_answers(
    engine: OpenVINOEngine, parts: dict[str, data.Images]
) -> None:
    images = parts[data.VALIDATION].pixels
    batches = [images[start : start + 1 + start % engine.max_batch] for start in range(16)]
    alone = [engine.infer(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine.infer, batches * 4))
    for index, found in enumerate(together):
        expected = alone[index % len(alone)]
        assert found.logit == pytest.approx(expected.logit, abs=1e-3)
        assert np.allclose(found.cam, expected.cam, atol=1e-3)


def test_answers_outlive_the_next_inference(
    engine: OpenVINOEngine, parts: dict[str, data.Images]
) -> None:
    images = parts[data.VALIDATION].pixels
    first = engine.infer(images[:1])
    kept = first.logit.copy()
    engine.infer(images[1:2])
    assert first.logit == kept


def test_it_computes_in_float32_whatever_the_cpu_prefers(engine: OpenVINOEngine) -> None:
    precision = engine._compiled.get_property(properties.hint.inference_precision())
    assert precision == ov.Type.f32


def test_its_largest_batch(engine: OpenVINOEngine, parts: dict[str, data.Images]) -> None:
    images = parts[data.VALIDATION].pixels[: engine.max_batch]
    assert engine.infer(images).cam.shape[0] == engine.max_batch
