from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from app.imaging.decode import MODEL_SIDE
from app.inference import load as load_module
from app.inference.contract import INPUTS, OUTPUTS, Choice, Engine, check_signature
from app.inference.load import load
from app.inference.openvino import OpenVINOEngine
from app.inference.tensorflow import TensorFlowEngine
from model_store.store import ModelError, ModelVersion
from tests import tiny
from tests.app.inference.models import copied, save
from tests.app.inference.subprocesses import python
from tests.model_store.made import manifest

Kind = Callable[[Path], Engine]
both = pytest.mark.parametrize("kind", [OpenVINOEngine, TensorFlowEngine])
Shape = tuple[int | None, ...]
MODEL = ModelVersion(Path("model"), manifest())
ANY_IMAGES: Shape = (None, MODEL_SIDE, MODEL_SIDE, 1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that keeps the contract."""
    return save(tmp_path_factory.mktemp("models") / "sound")


def refusal(kind: Kind, path: Path) -> str:
    """The one sentence with which an engine refuses a model."""
    with pytest.raises(ModelError) as refused:
        kind(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message.replace(str(path), "PATH")


@both
def test_answers(kind: Kind, sound: Path) -> None:
    images = np.full((1, MODEL_SIDE, MODEL_SIDE, 1), 64, np.uint8)
    answers = kind(sound).infer(images)
    assert answers.logit.tolist() == answers.probability.tolist() == [64]
    assert answers.novelty.tolist() == [64]
    assert answers.cam.tolist() == answers.lungs.tolist() == [[[64] * 3] * 3]
    assert answers.field.tolist() == [[64] * 4]
    assert {getattr(answers, name).dtype for name in OUTPUTS} == {np.dtype(np.float32)}


@both
@pytest.mark.parametrize(
    ("breach", "told"),
    [
        ({"without": "cam"}, "has no output 'cam'."),
        ({"without": "lungs"}, "has no output 'lungs'."),
        (
            {"field": lambda value: value[:, :2]},
            "has the output 'field' as float32 (None, 2), not as float32 (None, 4).",
        ),
        (
            {"probability": lambda value: tf.cast(value, tf.float64)},
            "has the output 'probability' as float64 (None,), not as float32 (None,).",
        ),
        (
            {"logit": lambda value: value[:, tf.newaxis]},
            "has the output 'logit' as float32 (None, 1), not as float32 (None,).",
        ),
        (
            {"image": tf.TensorSpec(ANY_IMAGES, tf.float32, "image")},
            "has the input 'image' as float32",
        ),
        (
            {"image": tf.TensorSpec((None, 256, 256, 1), tf.uint8, "image")},
            "has the input 'image' as uint8 (None, 256, 256, 1), not as uint8",
        ),
        (
            {"extra": tf.TensorSpec((), tf.float32, "extra")},
            "has inputs that we know nothing of: ['extra'].",
        ),
    ],
    ids=["missing", "older", "box", "dtype", "rank", "input dtype", "input size", "extra input"],
)
def test_a_breach_of_the_contract(
    kind: Kind, breach: dict[str, Any], told: str, tmp_path: Path
) -> None:
    assert refusal(kind, save(tmp_path / "breach", **breach)).startswith(f"The model PATH {told}")


def test_a_size_left_open_agrees_with_any() -> None:
    outputs = OUTPUTS | {"cam": ("float32", (1, 7, 7)), "logit": ("float32", None)}
    check_signature(Path("model"), {"image": ("uint8", (None, None, None, 1))}, outputs)


def test_a_missing_input() -> None:
    with pytest.raises(ModelError, match="The model model has no input 'image'"):
        check_signature(Path("model"), {}, OUTPUTS)


def test_more_outputs_than_needed() -> None:
    check_signature(Path("model"), INPUTS, OUTPUTS | {"features": ("float32", (None, 64))})


@both
@pytest.mark.parametrize("content", [b"", b"garbage" * 99])
def test_a_corrupt_graph(kind: Kind, content: bytes, sound: Path, tmp_path: Path) -> None:
    broken = copied(sound, tmp_path)
    (broken / "saved_model.pb").write_bytes(content)
    assert "cannot read the model PATH" in refusal(kind, broken)


@both
@pytest.mark.parametrize(
    "file",
    ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"],
)
def test_a_missing_file(kind: Kind, file: str, sound: Path, tmp_path: Path) -> None:
    broken = copied(sound, tmp_path)
    (broken / file).unlink()
    assert "cannot read the model PATH" in refusal(kind, broken)


@both
@pytest.mark.parametrize("file", ["variables.index", "variables.data-00000-of-00001"])
def test_corrupt_variables(kind: Kind, file: str, sound: Path, tmp_path: Path) -> None:
    broken = copied(sound, tmp_path)
    (broken / "variables" / file).write_bytes(b"x")
    assert "cannot read the model PATH" in refusal(kind, broken)


def test_the_engines_agree(tiny_model: ModelVersion) -> None:
    images = tiny.drawn(4, 2000)
    found, expected = (
        load(tiny_model, choice).infer(images) for choice in ("openvino", "tensorflow")
    )
    assert np.abs(found.probability - expected.probability).max() <= tiny.LOOSE
    for name in OUTPUTS:
        a, b = getattr(found, name), getattr(expected, name)
        assert np.abs(a - b).max() <= tiny.LOOSE * np.abs(b).max()


@pytest.fixture
def named_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that are nothing but their name."""
    monkeypatch.setattr("app.inference.openvino.OpenVINOEngine", lambda *_: "openvino")
    monkeypatch.setattr("app.inference.tensorflow.TensorFlowEngine", lambda *_: "tensorflow")


@pytest.mark.usefixtures("named_engines")
@pytest.mark.parametrize(
    ("choice", "gpu", "chosen"),
    [
        ("auto", False, "openvino"),
        ("auto", True, "tensorflow"),
        ("openvino", True, "openvino"),
        ("tensorflow", False, "tensorflow"),
    ],
)
def test_choice(choice: Choice, gpu: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "_tensorflow_sees_a_gpu", lambda: gpu)
    assert str(load(MODEL, choice)) == chosen


def test_tensorflow_is_asked_for_but_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="tensorflow was asked for, but it is not installed"):
        load(MODEL, "tensorflow")


@pytest.mark.parametrize(
    ("driver", "installed", "devices", "seen"),
    [
        (True, True, ["GPU:0"], True),
        (True, True, [], False),
        (True, False, ["GPU:0"], False),
        (False, True, ["GPU:0"], False),
    ],
    ids=["all is there", "no device", "no TensorFlow", "no driver"],
)
def test_a_gpu_is_seen(
    driver: bool, installed: bool, devices: list[str], seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: driver)
    monkeypatch.setattr(load_module, "find_spec", lambda name: installed or None)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices)
    assert load_module._tensorflow_sees_a_gpu() is seen


def test_no_runtime_is_imported_before_it_is_chosen() -> None:
    imported = python("import sys, app.inference.load; print(*sys.modules)").split()
    assert "app.inference.load" in imported
    assert not {"tensorflow", "keras", "openvino"} & set(imported)
