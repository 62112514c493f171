import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

from app.inference.contract import Answers
from app.inference.load import load
from model_store.store import ModelVersion
from training.data import labelled
from training.evaluation import explanations
from training.evaluation.measured import Explanations, to_json

PATCH = 32


class Corner:
    """An engine that sees PNEUMONIA where the upper left patch is bright, and nothing else."""

    name, device, streams, max_batch = "corner", "none", 1, 8

    def __init__(self, right: bool = True) -> None:
        self.right = right
        self.largest = 0

    def infer(self, images: np.ndarray) -> Answers:
        self.largest = max(self.largest, len(images))
        logit = images[:, :PATCH, :PATCH, 0].mean(axis=(1, 2)).astype(np.float32) / 10 - 10
        cam = np.zeros((len(images), 7, 7), np.float32)
        cam[:, 0, 0] = logit if self.right else -logit
        lungs, field = np.ones_like(cam), np.tile((0.0, 0.0, 1.0, 1.0), (len(images), 1))
        probability = 1 / (1 + np.exp(-logit))
        return Answers(logit, probability, cam, lungs, field.astype(np.float32), logit)


def images(count: int = 12) -> labelled.Images:
    """Bright upper left patches for PNEUMONIA, dark ones for NORMAL, on noise."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 224, 224, 1), np.uint8)
    pixels[:, :PATCH, :PATCH] = np.where(np.arange(count) % 2, 200, 0)[:, None, None, None]
    samples = [labelled.Sample(Path(f"{i}.png"), i % 2, f"patient {i}") for i in range(count)]
    return labelled.Images(samples, pixels)


@pytest.fixture(scope="module")
def checks(tiny_model: ModelVersion) -> Explanations:
    return explanations.check(tiny_model, Corner(), images(), 8)


def test_a_map_that_points_at_the_evidence_takes_it_away_at_once(checks: Explanations) -> None:
    """The patch is 2 % of the pixels: all of it is within the first tenth."""
    for name in ("grad_cam", "occlusion"):
        whole, *rest = checks.deletion.log_odds[name].curve
        assert whole > rest[0]
        assert rest == pytest.approx([rest[0]] * 10)
        none, *rest = checks.insertion.log_odds[name].curve
        assert rest == pytest.approx([whole] * 10)
        assert none < whole


@pytest.mark.parametrize("kind", explanations.KINDS)
@pytest.mark.parametrize("measure", ["log_odds", "probability"])
def test_such_a_map_beats_a_misplaced_one(checks: Explanations, kind: str, measure: str) -> None:
    found = getattr(getattr(checks, kind), measure)
    for name in ("grad_cam", "occlusion"):
        assert found[name].gain > 0
        assert found[name].gain_interval[0] > 0
        assert found[name].wins > 0.5
    assert found["random"].gain == 0
    assert found["random"].wins == 0


def test_a_map_that_points_away_from_the_evidence_does_not(tiny_model: ModelVersion) -> None:
    found = explanations.check(tiny_model, Corner(right=False), images(), 8)
    for curves in (found.deletion, found.insertion):
        assert curves.log_odds["grad_cam"].gain < 0
        assert curves.log_odds["occlusion"].gain > 0


def test_an_area_lies_within_its_interval(checks: Explanations) -> None:
    for curves in (checks.deletion, checks.insertion):
        for found in curves.log_odds.values():
            low, high = found.area_interval
            assert low <= found.area <= high
            assert found.area == pytest.approx(np.trapezoid(found.curve, checks.shares))


def test_the_checks_are_plain_json_and_the_same_again(
    checks: Explanations, tiny_model: ModelVersion
) -> None:
    told = to_json(checks)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert explanations.check(tiny_model, Corner(), images(), 8) == checks


def test_never_asks_more_at_once_than_the_engine_takes(tiny_model: ModelVersion) -> None:
    engine = Corner()
    explanations.check(tiny_model, engine, images(), 4)
    assert engine.largest == engine.max_batch


def test_chooses_as_many_of_each_label_and_no_patient_twice() -> None:
    found = images(40)
    twice = labelled.Images(found.samples * 2, np.concatenate([found.pixels, found.pixels]))
    chosen = explanations._choose(twice, 16)
    assert chosen.labels.tolist() == [0] * 8 + [1] * 8
    assert len(set(chosen.patients)) == 16
    for sample, pixels in zip(chosen.samples, chosen.pixels, strict=True):
        assert (pixels == found.pixels[int(sample.path.stem)]).all()
    assert len(explanations._choose(twice, 1000)) == 40
    assert explanations._choose(twice, 1).labels.tolist() == [0, 1]


def test_refuses_images_that_the_model_answers_alike(tiny_model: ModelVersion) -> None:
    found = images()
    found.pixels[:] = 0
    with pytest.raises(labelled.DataError, match="both answers"):
        explanations.check(tiny_model, Corner(), found, 8)


def test_layers_are_randomised_from_the_head_down_and_restored(
    tiny_model: ModelVersion, parts: dict[str, labelled.Images]
) -> None:
    model = tf.saved_model.load(str(tiny_model.path))
    serve = model.signatures["serving_default"]
    kernels = [variable for variable in serve.variables if variable.dtype == tf.float16]
    assert [kernel.shape.rank for kernel in kernels] == [4, 4, 2]
    assert kernels[0].shape[0] == 8
    before = [kernel.numpy() for kernel in kernels]
    pixels = parts[labelled.VALIDATION].pixels[:4]
    random = np.random.default_rng(0)
    plain, head, every = explanations._randomised(serve, kernels, [0, 1, 3], pixels, random)
    assert np.array_equal(plain, serve(image=pixels)["cam"].numpy()[:, ::4, ::4])
    assert not np.allclose(plain, head)
    assert not np.allclose(head, every)
    for kernel, original in zip(kernels, before, strict=True):
        assert np.array_equal(kernel.numpy(), original)


def test_a_randomised_model_has_other_maps(
    tiny_model: ModelVersion, parts: dict[str, labelled.Images]
) -> None:
    found = explanations.randomisation(tiny_model, parts[labelled.VALIDATION].pixels)
    assert (found.layers, found.randomised) == (3, [0, 1, 2, 3])
    assert found.correlation[0] == pytest.approx(1)
    assert found.correlation[-1] < 0.7
    for mean, (low, high) in zip(found.correlation, found.intervals, strict=True):
        assert low <= mean + 1e-9
        assert mean <= high + 1e-9
    assert 0 < found.another_image < 1


def test_correlates_ranks_and_not_values() -> None:
    ramp = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    some = np.concatenate([ramp, ramp, ramp])
    others = np.concatenate([np.exp(ramp), -ramp, np.ones_like(ramp)])
    everywhere = np.ones(some.shape, bool)
    assert explanations._correlations(some, others, everywhere) == pytest.approx([1, -1, 0])


def test_correlates_over_the_lungs_only() -> None:
    ramp = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    other = ramp.copy()
    other[0, 2] = -other[0, 2]
    inside = np.ones(ramp.shape, bool)
    assert explanations._correlations(ramp, other, inside)[0] < 0.5
    inside[0, 2] = False
    assert explanations._correlations(ramp, other, inside) == pytest.approx([1])
    assert explanations._correlations(ramp, other, inside & False) == pytest.approx([0])


def test_a_misplaced_map_has_moved_by_patches() -> None:
    grid = np.zeros((112, 112), np.float32)
    grid[:16, :16] = 1
    random = np.random.default_rng(0)
    corners = set()
    for _ in range(50):
        rows, columns = np.nonzero(explanations._misplaced(grid, random))
        assert len(rows) == 16 * 16
        assert rows.min() % 16 == columns.min() % 16 == 0
        corners.add((int(rows.min()), int(columns.min())))
    assert (0, 0) not in corners
    assert len(corners) > 20


def test_what_argues_for_nothing_lies_between_what_argues_for_and_against() -> None:
    """Three bands: the lower one argues for the answer, the upper one against it."""
    grid = np.zeros((112, 112), np.float32)
    grid[:28], grid[84:] = -1, 1
    image, donor = np.full((224, 224, 1), 200, np.uint8), np.zeros((224, 224, 1), np.uint8)
    asked: list[np.ndarray] = []

    def ask(pixels: np.ndarray) -> np.ndarray:
        asked.append(pixels)
        return np.zeros(len(pixels))

    explanations._follow(grid, image, donor, ask)
    (steps,) = asked
    deleted = [one[..., 0] == 0 for one in steps[:11]]
    assert [float(one.mean()) for one in deleted] == pytest.approx(np.linspace(0, 1, 11), abs=0.01)
    assert not deleted[2][:160].any()
    assert deleted[7][180:].all()
    assert not deleted[7][:40].any()


def test_the_real_engine_is_asked_too(
    tiny_model: ModelVersion, parts: dict[str, labelled.Images]
) -> None:
    engine = Mock(wraps=load(tiny_model, "openvino"), max_batch=8)

    found = explanations.check(tiny_model, engine, parts[labelled.CALIBRATION], 8)

    assert found.n == 8
    # Of each image, many with a part deleted or inserted.
    assert sum(len(call.args[0]) for call in engine.infer.call_args_list) > 8 * explanations._STEPS
    assert np.isfinite(found.deletion.log_odds["occlusion"].gain)


def test_the_figure_shows_all_three_checks(checks: Explanations) -> None:
    deletion, insertion, randomised = explanations.figure(checks).axes
    for axes, curves in ((deletion, checks.deletion), (insertion, checks.insertion)):
        assert len(axes.lines) == len(explanations.MAPS)
        legend = axes.get_legend()
        assert legend is not None
        told = [text.get_text() for text in legend.get_texts()]
        assert f"Grad-CAM: {curves.log_odds['grad_cam'].area:.2f}" in told[0]
    assert [text.get_text() for text in randomised.get_xticklabels()] == ["0", "1", "2", "3"]
