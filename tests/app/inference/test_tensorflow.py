from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

from app.inference.tensorflow import TensorFlowEngine
from model_store.store import ModelError, ModelVersion
from tests import tiny
from tests.app.inference.models import save


def test_what_it_says_of_itself(tiny_model: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    engine = TensorFlowEngine(tiny_model.path)
    assert (engine.name, engine.device, engine.streams) == ("tensorflow", "CPU", 1)


@pytest.mark.parametrize(
    ("details", "device"), [({"device_name": "NVIDIA H100"}, "NVIDIA H100"), ({}, "/gpu:0")]
)
def test_it_shares_the_gpu_and_names_it(
    details: dict[str, str], device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Mock()
    gpu.name = "/gpu:0"
    growth = Mock()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", growth)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert TensorFlowEngine(save(tmp_path / "model")).device == device
    growth.assert_called_once_with(gpu, True)


def test_it_takes_a_gpu_that_the_process_has_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Mock()
    gpu.name = "/gpu:0"
    late = RuntimeError("Physical devices cannot be modified after being initialized")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", Mock(side_effect=late))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {})
    assert TensorFlowEngine(save(tmp_path / "model")).device == "/gpu:0"


@pytest.mark.parametrize(("count", "batch"), [(1, 1), (2, 2), (3, 4), (5, 8), (32, 32)])
def test_a_gpu_gets_few_sizes_of_batches(
    count: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TensorFlowEngine(save(tmp_path / "model"))
    monkeypatch.setattr(engine, "_pads", True)
    serve, sizes = engine._serve, []

    def served(image: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes.append(len(image))
        return serve(image=image)

    monkeypatch.setattr(engine, "_serve", served)
    images = np.full((count, 224, 224, 1), np.arange(count).reshape(-1, 1, 1, 1), np.uint8)
    answers = engine.infer(images)
    assert sizes == [batch]
    assert answers.logit.tolist() == list(range(count))
    assert answers.cam.shape == (count, 3, 3)


@pytest.mark.parametrize("wanted", [True, False])
def test_mixed_precision_is_up_to_the_operator(wanted: bool, tmp_path: Path) -> None:
    try:
        TensorFlowEngine(save(tmp_path / "model"), mixed_precision=wanted)
        options = tf.config.optimizer.get_experimental_options()
        assert options["auto_mixed_precision"] is wanted
    finally:
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision": False})


def test_a_model_without_the_signature(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="TensorFlow cannot read the model"):
        TensorFlowEngine(save(tmp_path / "model", signature="other"))


def test_its_largest_batch(tiny_model: ModelVersion) -> None:
    engine = TensorFlowEngine(tiny_model.path)
    images = tiny.drawn(engine.max_batch)
    answers = engine.infer(images)
    assert answers.cam.shape[0] == engine.max_batch == len(images)
    alone = engine.infer(images[:1])
    assert answers.logit[:1] == pytest.approx(alone.logit, abs=1e-4)
    assert np.isfinite(answers.novelty).all()
