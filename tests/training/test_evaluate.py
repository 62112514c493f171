import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, classification_report, roc_auc_score
from typer.testing import CliRunner

from app.inference.engine import Answers, load
from model_store.store import ModelVersion
from tests import synthetic
from training import data, evaluate, figures
from training.cli import app

SCALARS = ("accuracy", "roc_auc", "pr_auc", "sensitivity", "specificity")
FIGURES = ("confusion_matrix", "gallery", "precision_recall", "reliability", "roc")

# Ranked: 1, 1, 0, 1, 0, 0. One NORMAL image, at 0.7, ranks above one PNEUMONIA image, at 0.6.
PROBABILITIES = np.array([0.9, 0.1, 0.8, 0.7, 0.6, 0.2])
LABELS = np.array([1, 0, 1, 0, 1, 0])
PATIENTS = ["a", "b", "c", "d", "e", "f"]


def overlapping(count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Probabilities with ties, labels that they partly tell, and a patient for each image."""
    random = np.random.default_rng(3)
    labels = np.arange(count) % 2
    probabilities = np.round(random.beta(2, 2, count) * 0.6 + 0.4 * labels, 2)
    return probabilities, labels, [f"patient {i}" for i in range(count)]


def pairs(estimates: Any, intervals: Any, where: str = "") -> list[tuple[str, float, list[float]]]:
    """Each number with its interval, from the same place of two nested structures."""
    if isinstance(estimates, dict):
        assert estimates.keys() == intervals.keys(), where
        items = [(key, estimates[key], intervals[key]) for key in estimates]
    elif isinstance(estimates, list):
        assert len(estimates) == len(intervals), where
        items = [(str(i), *pair) for i, pair in enumerate(zip(estimates, intervals, strict=True))]
    else:
        return [(where, estimates, intervals)]
    return [found for key, a, b in items for found in pairs(a, b, f"{where}/{key}")]


def test_measures_by_hand_what_a_small_set_shows() -> None:
    metrics = evaluate.measure(PROBABILITIES, LABELS, PATIENTS, threshold=0.65, resamples=20)
    assert metrics["confusion_matrix"] == [[2, 1], [1, 2]]
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert metrics["sensitivity"] == pytest.approx(2 / 3)
    assert metrics["specificity"] == pytest.approx(2 / 3)
    assert metrics["roc_auc"] == pytest.approx(8 / 9)
    assert metrics["pr_auc"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    report = metrics["classification_report"]
    assert set(report) == {"NORMAL", "PNEUMONIA", "accuracy", "macro avg", "weighted avg"}
    assert report["PNEUMONIA"]["precision"] == pytest.approx(2 / 3)
    assert report["NORMAL"]["support"] == 3
    assert (metrics["n"], metrics["patients"]) == (6, 6)
    assert (metrics["threshold"], metrics["bootstrap_resamples"]) == (0.65, 20)


def test_a_probability_at_the_threshold_is_called_pneumonia() -> None:
    metrics = evaluate.measure(PROBABILITIES, LABELS, PATIENTS, threshold=0.7, resamples=1)
    assert metrics["confusion_matrix"] == [[2, 1], [1, 2]]


def test_every_figure_has_an_interval_that_holds_it() -> None:
    metrics = evaluate.measure(*overlapping(200), threshold=0.5)
    assert set(metrics["intervals"]) == {*SCALARS, "confusion_matrix", "classification_report"}
    for key, intervals in metrics["intervals"].items():
        for where, estimate, (low, high) in pairs(metrics[key], intervals, key):
            assert low <= estimate <= high, where
    for key in SCALARS:
        low, high = metrics["intervals"][key]
        assert low < high < low + 0.25, key


def test_the_metrics_are_plain_json() -> None:
    metrics = evaluate.measure(*overlapping(40), threshold=0.5, resamples=20)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_interval_of_a_share_is_that_of_its_binomial() -> None:
    probabilities, labels, patients = overlapping(2000)
    metrics = evaluate.measure(probabilities, labels, patients, threshold=0.5)
    share = metrics["sensitivity"]
    half = 1.96 * np.sqrt(share * (1 - share) / 1000)
    assert metrics["intervals"]["sensitivity"] == pytest.approx(
        [share - half, share + half], abs=5e-3
    )


def test_the_same_input_gives_the_same_intervals() -> None:
    first = evaluate.measure(*overlapping(60), threshold=0.5, resamples=250)
    assert evaluate.measure(*overlapping(60), threshold=0.5, resamples=250) == first


def test_further_images_of_the_same_patients_tell_nothing_new() -> None:
    probabilities, labels, patients = (np.tile(part, 4) for part in overlapping(100))
    as_patients = evaluate.measure(probabilities, labels, list(patients), 0.5)
    as_images = evaluate.measure(probabilities, labels, [str(i) for i in range(400)], 0.5)
    once = evaluate.measure(*overlapping(100), 0.5)
    assert as_patients["patients"] == 100
    for key in SCALARS:
        low, high = as_patients["intervals"][key]
        narrow_low, narrow_high = as_images["intervals"][key]
        assert 1.6 < (high - low) / (narrow_high - narrow_low) < 2.4, key
        assert once["intervals"][key] == pytest.approx([low, high]), key


def test_a_patient_is_drawn_whole() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    draws = np.concatenate(list(evaluate._draws(["a", "a", "b", "c", "c"], truth, 250)))
    assert draws.shape == (250, 5)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 3] == draws[:, 4]).all()
    assert (draws[:, 2] + draws[:, 3] == 2).all()
    assert set(draws[:, 3]) == {0, 1, 2}


def test_every_resample_has_both_labels() -> None:
    """Even where a label is found with one patient only, alone or beside the other label."""
    for patients, truth in ((["a", "b", "c"], [1, 0, 0]), (["a", "a", "b", "c"], [1, 0, 0, 0])):
        draws = np.concatenate(list(evaluate._draws(patients, np.array(truth), 300)))
        assert (draws @ np.array(truth) > 0).all()
        assert (draws @ (1 - np.array(truth)) > 0).all()


def test_weighted_figures_are_those_of_scikit_learn() -> None:
    probabilities, labels, _ = overlapping(80)
    weights = np.random.default_rng(5).integers(0, 4, (10, 80)).astype(float)
    called = (probabilities >= 0.5).astype(int)
    areas = evaluate._areas(weights, probabilities, labels)
    reports = evaluate._reports(evaluate._matrices(weights, labels, called))
    for row, weight in enumerate(weights):
        given = {"sample_weight": weight}
        assert areas[0, row] == pytest.approx(roc_auc_score(labels, probabilities, **given))
        assert areas[1, row] == pytest.approx(
            average_precision_score(labels, probabilities, **given)
        )
        expected = classification_report(
            labels, called, target_names=data.LABELS, output_dict=True, **given
        )
        for where, ours, theirs in pairs(reports, expected):
            assert np.asarray(ours)[row] == pytest.approx(theirs), where


def test_a_label_that_is_never_answered_has_no_precision() -> None:
    metrics = evaluate.measure(PROBABILITIES, LABELS, PATIENTS, threshold=1.0, resamples=20)
    assert metrics["confusion_matrix"] == [[3, 0], [3, 0]]
    assert metrics["classification_report"]["PNEUMONIA"]["precision"] == 0
    assert metrics["intervals"]["classification_report"]["PNEUMONIA"]["f1-score"] == [0, 0]


def test_refuses_images_of_one_label() -> None:
    with pytest.raises(data.DataError, match="no PNEUMONIA"):
        evaluate.measure(PROBABILITIES, np.zeros(6), PATIENTS, threshold=0.5)


class Echo:
    """An engine whose answers carry the first pixel of each image."""

    name, device, streams, max_batch = "echo", "none", 1, 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def infer(self, images: np.ndarray) -> Answers:
        self.batches.append(len(images))
        first = images[:, 0, 0, 0].astype(np.float32)
        return Answers(first, first, np.tile(first[:, None, None], (1, 7, 7)), -first)


def test_answers_come_in_batches_and_keep_their_order() -> None:
    pixels = np.zeros((10, 224, 224, 1), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(10)
    images = data.Images([data.Sample(Path(f"{i}.png"), 0) for i in range(10)], pixels)
    engine = Echo()
    found = evaluate.answers(engine, images)
    assert engine.batches == [4, 4, 2]
    assert found.logit.tolist() == list(range(10))
    assert found.novelty.tolist() == [-i for i in range(10)]
    assert found.cam.shape == (10, 7, 7)


def test_both_engines_give_the_same_metrics(
    tiny_model: ModelVersion, parts: dict[str, data.Images]
) -> None:
    images = parts[data.CALIBRATION]
    patients = images.patients
    openvino, tensorflow = (
        evaluate.measure(
            evaluate.answers(load(tiny_model, choice), images).probability,
            images.labels,
            patients,
            tiny_model.manifest.calibration.operating_point.threshold,
            resamples=200,
        )
        for choice in ("openvino", "tensorflow")
    )
    for key in SCALARS:
        assert openvino[key] == pytest.approx(tensorflow[key], abs=0.05), key


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DIR of DIR/{NORMAL,PNEUMONIA}/*.png, twelve drawn images each, and a broken one."""
    folder = tmp_path_factory.mktemp("labelled")
    for label, name in enumerate(data.LABELS):
        (folder / name).mkdir()
        for seed in range(12):
            chest = synthetic.chest(3000 + seed, pneumonia=bool(label), size=(240, 300))
            path = folder / name / f"{name}{seed // 2}-{seed}.png"
            path.write_bytes(synthetic.encode(chest))
    (folder / "NORMAL" / "broken.png").write_bytes(synthetic.encode(chest)[:500])
    return folder


def command(folder: Path, out: Path, model_root: Path, *options: str) -> Any:
    arguments = ["evaluate", str(folder), "--out", str(out), "--model-store", str(model_root)]
    return CliRunner().invoke(app, [*arguments, *options])


def test_the_command_writes_metrics_and_figures(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    result = command(labelled, out, model_root, "--engine", "openvino")
    assert result.exit_code == 0, result.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["model"] == {"name": "pneumonia", "version": 1}
    assert metrics["engine"] == "openvino"
    assert (metrics["n"], metrics["skipped"]) == (24, 1)
    assert np.sum(metrics["confusion_matrix"]) == 24
    assert metrics["roc_auc"] > 0.6
    assert sorted(path.stem for path in (out / "figures").iterdir()) == sorted(FIGURES)
    for name in FIGURES:
        with Image.open(out / "figures" / f"{name}.png") as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 600, name
            assert np.asarray(picture.convert("L")).std() > 10, name


def test_the_command_tells_the_figures_and_what_it_skipped(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    result = command(labelled, tmp_path, model_root)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    low, high = metrics["intervals"]["roc_auc"]
    assert f"{metrics['roc_auc']:.3f}   {low:.3f} to {high:.3f}" in result.stdout
    assert "24 images of 24 patients; broken and skipped: 1" in result.stdout
    assert str(tmp_path) in result.stdout
    assert "broken.png" in result.stderr


def test_the_command_gives_the_same_metrics_again(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    for out in ("first", "second"):
        command(labelled, tmp_path / out, model_root, "--engine", "tensorflow")
    first, second = ((tmp_path / out / "metrics.json").read_text() for out in ("first", "second"))
    assert first == second


def refusal(result: Any) -> str:
    """The one sentence on stderr."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    return str(result.stderr.splitlines()[-1])


def test_the_command_refuses_a_folder_of_one_label(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "PNEUMONIA").symlink_to(labelled / "PNEUMONIA")
    told = refusal(command(tmp_path, tmp_path / "out", model_root))
    assert told.startswith("Error: There are no images in")
    assert "NORMAL" in told


def test_the_command_refuses_a_label_whose_images_are_all_broken(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "PNEUMONIA").symlink_to(labelled / "PNEUMONIA")
    (tmp_path / "NORMAL").mkdir()
    (tmp_path / "NORMAL" / "broken.png").write_bytes(b"no image")
    assert "there are no NORMAL" in refusal(command(tmp_path, tmp_path / "out", model_root))


def test_the_command_refuses_a_missing_model(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    result = command(labelled, tmp_path, model_root, "--version", "7")
    assert "has no version 7" in refusal(result)


def test_the_command_refuses_a_place_that_it_cannot_write_to(
    labelled: Path, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refusal(command(labelled, tmp_path / "file" / "out", model_root))


@pytest.mark.parametrize("arguments", [["export", "--run", "{}"], ["fit", "{}", "--run", "{}/run"]])
def test_the_other_commands_tell_their_errors_too(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [argument.format(tmp_path) for argument in arguments])
    assert refusal(result).startswith("Error: ")


def test_a_bug_keeps_its_traceback(
    labelled: Path, model_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(figures, "write", fail)
    result = command(labelled, tmp_path, model_root)
    assert isinstance(result.exception, ValueError)
