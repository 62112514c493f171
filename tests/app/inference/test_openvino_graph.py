"""The graph beside a SavedModel gives its answers, and lies in three pieces."""

from pathlib import Path

import numpy as np
import pytest

from app.inference.contract import OUTPUTS
from app.inference.openvino import OpenVINOEngine
from app.inference.openvino_graph import GRAPH, WEIGHTS, read
from app.inference.silent_openvino import ov
from model_store.store import ModelVersion, resolve
from tests import tiny
from tests.app.inference import models
from training.export import openvino_ir
from training.export.nodes import compute


def test_each_stage_takes_what_an_earlier_one_gives(tiny_model: ModelVersion) -> None:
    known = {"image"}
    for stage in read(ov.Core(), tiny_model.path):
        assert {port.any_name for port in stage.inputs} <= known
        known |= {name for port in stage.outputs for name in port.names}
    assert set(OUTPUTS) <= known


def test_the_stages_answer_in_float32_as_the_whole_graph_does(tiny_model: ModelVersion) -> None:
    core, images = ov.Core(), tiny.drawn(4, 1000)
    float32 = {"INFERENCE_PRECISION_HINT": "f32"}
    known = {"image": images}
    for stage in read(core, tiny_model.path):
        compiled = core.compile_model(stage, "CPU", float32)
        results = compiled({port.any_name: known[port.any_name] for port in stage.inputs})
        known |= {name: results[port] for port in compiled.outputs for name in port.names}
    whole = core.compile_model(core.read_model(tiny_model.path / GRAPH), "CPU", float32)(images)
    for name in OUTPUTS:
        np.testing.assert_allclose(known[name], whole[name], rtol=1e-4, atol=1e-4)


def test_a_convolution_in_8_bits_takes_the_sum_with_another_one() -> None:
    """Elsewhere OpenVINO fails where it computes the other one in bfloat16."""
    sums = [
        [_maps_of(value) for value in node.input_values()]
        for stage in read(ov.Core(), resolve().path)
        for node in stage.get_ops()
        if node.get_type_name() == "Add"
    ]
    assert ["FakeQuantize", "Relu"] in sums
    assert ["Relu", "FakeQuantize"] not in sums


def test_on_average_the_logit_is_not_shifted(tiny_model: ModelVersion) -> None:
    """In float32: bfloat16 shifts it where the CPU has it, and a graph is for every CPU."""
    images = tiny.drawn(tiny.FITTED_TO)
    both = map(ov.Core().read_model, (tiny_model.path, tiny_model.path / GRAPH))
    exact, rounded = (compute(model, [model.output("logit")], images)[0] for model in both)
    assert abs(np.median(exact - rounded)) < 0.01 * np.abs(exact).mean()


def test_a_savedmodel_that_sees_no_colours_gets_no_graph(tmp_path: Path) -> None:
    folder = models.save(tmp_path / "1")
    assert openvino_ir.write(folder, np.zeros((1, 224, 224, 1), np.uint8)) is False
    assert not (folder / GRAPH).exists()
    assert not (folder / WEIGHTS).exists()


def test_writing_it_twice_gives_the_same_answers(tiny_model: ModelVersion, tmp_path: Path) -> None:
    folder = models.copied(tiny_model.path, tmp_path, GRAPH, WEIGHTS)
    assert openvino_ir.write(folder, tiny.drawn(tiny.FITTED_TO)) is True
    images = tiny.drawn(2, 1000)
    first, second = (OpenVINOEngine(path, True).infer(images) for path in (folder, tiny_model.path))
    assert first.logit == pytest.approx(second.logit, abs=1e-6)


def _maps_of(output: ov.Output) -> str:
    """The type of what gives its maps to the convolution that ends in an output; empty without."""
    node = output.get_node()
    while node.get_type_name() in {"Add", "Divide", "Multiply"}:
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Convolution":
        return ""
    return str(node.input_value(0).get_node().get_type_name())
