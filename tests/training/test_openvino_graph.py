"""The graph shares the SavedModel's kernels, in place of a second copy of them."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.inference import openvino_engine
from app.inference import openvino_graph as openvino_graph_reader
from app.inference.engine import OUTPUTS
from app.inference.openvino_graph import GRAPH, SHARED, VARIABLES, WEIGHTS, read
from app.inference.silent_openvino import ov
from model_store.store import ModelVersion
from tests.app.inference import models
from training import data, openvino_graph


def test_it_holds_no_kernel_that_the_savedmodel_has(tiny_model: ModelVersion) -> None:
    xml = gzip.decompress((tiny_model.path / GRAPH).read_bytes())
    graph = ov.Core().read_model(xml, (tiny_model.path / WEIGHTS).read_bytes())
    shared = [p for p in graph.get_parameters() if p.get_friendly_name().startswith(SHARED)]
    # The first convolution's is another one since it sees the gray levels.
    assert [tuple(p.get_shape()) for p in shared] == [(16, 8, 4, 4)]
    held = [c.data.size for c in graph.get_ops() if c.get_type_name() == "Constant"]
    assert max(held) == 8 * 4 * 8 * 8


def test_what_is_read_takes_the_image_alone(tiny_model: ModelVersion) -> None:
    graph = read(ov.Core(), tiny_model.path)
    assert [port.get_any_name() for port in graph.inputs] == ["image"]


def test_in_float32_it_answers_as_the_savedmodel_does(
    tiny_model: ModelVersion, parts: dict[str, data.Images]
) -> None:
    core = ov.Core()
    found, expected = (
        core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
            parts[data.VALIDATION].pixels
        )
        for model in (read(core, tiny_model.path, exact=True), core.read_model(tiny_model.path))
    )
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-3)


def test_its_kernels_are_rounded_as_openvino_rounds_them(
    tiny_model: ModelVersion, parts: dict[str, data.Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    def logits() -> npt.NDArray[np.float32]:
        compiled = ov.compile_model(read(ov.Core(), tiny_model.path), "CPU")
        found: npt.NDArray[np.float32] = compiled(parts[data.VALIDATION].pixels)["logit"]
        return found.copy()

    rounded = logits()
    monkeypatch.setattr(openvino_graph_reader, "KERNEL_LEVELS", 0)
    np.testing.assert_allclose(rounded, logits(), atol=0.01)


def test_it_answers_by_the_weights_that_lie_beside_it(
    tiny_model: ModelVersion, tmp_path: Path
) -> None:
    folder = models.copied(tiny_model.path, tmp_path)
    variables = folder / VARIABLES
    variables.write_bytes(bytes(variables.stat().st_size))
    image = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 1), np.uint8)
    core = ov.Core()
    whole, zeroed = (
        core.compile_model(read(core, path), "CPU")(image)["cam"]
        for path in (tiny_model.path, folder)
    )
    assert np.ptp(whole) > 0
    assert np.ptp(zeroed) == 0


def test_a_savedmodel_whose_stem_cannot_be_exact_gets_no_graph(tmp_path: Path) -> None:
    folder = models.save(tmp_path / "1")
    assert openvino_graph.write(folder, np.zeros((1, 224, 224, 1), np.uint8)) is False
    assert not (folder / GRAPH).exists()
    assert not (folder / WEIGHTS).exists()


def test_a_cpu_without_8_bits_writes_none(
    tiny_model: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = models.copied(tiny_model.path, tmp_path)
    monkeypatch.setattr(openvino_engine, "_CPU", tmp_path / "none")
    assert openvino_graph.write(folder, np.zeros((1, 224, 224, 1), np.uint8)) is True
    kinds = {node.get_type_name() for node in read(ov.Core(), folder).get_ops()}
    assert "Convolution" in kinds
    assert "FakeQuantize" not in kinds


def test_writing_it_twice_gives_the_same_answers(
    tiny_model: ModelVersion, parts: dict[str, data.Images], tmp_path: Path
) -> None:
    folder = models.copied(tiny_model.path, tmp_path)
    (folder / GRAPH).unlink()
    assert openvino_graph.write(folder, parts[data.TRAIN].pixels) is True
    image = np.full((1, 224, 224, 1), 200, np.uint8)
    core = ov.Core()
    first, second = (
        core.compile_model(read(core, path), "CPU")(image)["logit"]
        for path in (folder, tiny_model.path)
    )
    assert first == pytest.approx(second, abs=1e-6)
