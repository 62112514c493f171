"""The graph shares the SavedModel's kernels, in place of a second copy of them."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from app.inference.engine import OUTPUTS
from app.inference.openvino_graph import GRAPH, SHARED, VARIABLES, WEIGHTS, read
from model_store.store import ModelVersion
from tests.app.inference import models
from training import data, openvino_graph


def test_it_holds_no_kernel_that_the_savedmodel_has(tiny_model: ModelVersion) -> None:
    graph = ov.Core().read_model(tiny_model.path / GRAPH)
    shared = [p for p in graph.get_parameters() if p.get_friendly_name().startswith(SHARED)]
    # The first convolution's is another one since it sees the gray levels.
    assert [tuple(p.get_shape()) for p in shared] == [(4, 4, 8, 16)]
    kernels = 2 * np.prod((4, 4, 8, 16)) + 2 * np.prod((8, 8, 3, 8))
    assert (tiny_model.path / VARIABLES).stat().st_size > kernels


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
        for model in (read(core, tiny_model.path), core.read_model(tiny_model.path))
    )
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-3)


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
    assert openvino_graph.write(folder) is False
    assert not (folder / GRAPH).exists()
    assert not (folder / WEIGHTS).exists()


def test_writing_it_twice_gives_the_same_graph(tiny_model: ModelVersion, tmp_path: Path) -> None:
    folder = models.copied(tiny_model.path, tmp_path)
    (folder / GRAPH).unlink()
    assert openvino_graph.write(folder) is True
    image = np.full((1, 224, 224, 1), 200, np.uint8)
    core = ov.Core()
    first, second = (
        core.compile_model(read(core, path), "CPU")(image)["logit"]
        for path in (folder, tiny_model.path)
    )
    assert first == pytest.approx(second, abs=1e-6)
