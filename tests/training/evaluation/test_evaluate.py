import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from app.inference.load import load
from model_store.store import ModelVersion
from tests import pages, synthetic
from tests.training.evaluation.scored import calibration, overlapping, pairs
from training.cli import app
from training.data import labelled
from training.evaluation import evaluate, figures, suitability
from training.evaluation.answers import infer
from training.evaluation.measured import TITLES, Estimate, to_json

pytestmark = pytest.mark.usefixtures("few_negatives")

SCALARS = tuple(TITLES)
FIGURES = {
    "confusion_matrix",
    "explanations",
    "gallery",
    "not_chest_xrays",
    "precision_recall",
    "reliability",
    "roc",
    "taken_otherwise",
}

# Ranked: 1, 1, 0, 1, 0, 0. One NORMAL image, at 0.7, ranks above one PNEUMONIA image, at 0.6.
PROBABILITIES = np.array([0.9, 0.1, 0.8, 0.7, 0.6, 0.2])
LABELS = np.array([1, 0, 1, 0, 1, 0])
PATIENTS = ["a", "b", "c", "d", "e", "f"]


def measured(*scored: Any, **options: Any) -> dict[str, Any]:
    """As `metrics.json` holds it."""
    return to_json(evaluate.measure(*scored, **options))


def test_measures_by_hand_what_a_small_set_shows() -> None:
    told = calibration(0.65, normal_quantile=0.65, pneumonia_quantile=0.45)
    metrics = measured(PROBABILITIES, LABELS, PATIENTS, told, resamples=20)
    assert metrics["confusion_matrix"] == [[2, 1], [1, 2]]
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert metrics["sensitivity"] == pytest.approx(2 / 3)
    assert metrics["specificity"] == pytest.approx(2 / 3)
    assert metrics["roc_auc"] == pytest.approx(8 / 9)
    assert metrics["pr_auc"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    # Each image is alone in its bin, so that its error is its bin's.
    assert metrics["ece"] == pytest.approx((0.1 + 0.1 + 0.2 + 0.7 + 0.4 + 0.2) / 6)
    assert metrics["brier"] == pytest.approx((0.01 + 0.01 + 0.04 + 0.49 + 0.16 + 0.04) / 6)
    # The NORMAL image at 0.7 is taken for PNEUMONIA alone; the set of the image at 0.6 is both.
    assert metrics["coverage_normal"] == pytest.approx(2 / 3)
    assert metrics["coverage_pneumonia"] == 1
    assert metrics["read_by_a_person"] == pytest.approx(1 / 6)
    report = metrics["classification_report"]
    assert set(report) == {"NORMAL", "PNEUMONIA", "accuracy", "macro avg", "weighted avg"}
    assert report["PNEUMONIA"]["precision"] == pytest.approx(2 / 3)
    assert report["NORMAL"]["support"] == 3
    assert (metrics["n"], metrics["patients"]) == (6, 6)
    assert (metrics["threshold"], metrics["bootstrap_resamples"]) == (0.65, 20)


def test_a_probability_at_the_threshold_is_called_pneumonia() -> None:
    metrics = measured(PROBABILITIES, LABELS, PATIENTS, calibration(0.7), resamples=1)
    assert metrics["confusion_matrix"] == [[2, 1], [1, 2]]


def test_every_figure_has_an_interval_that_holds_it() -> None:
    metrics = measured(*overlapping(200), calibration())
    assert set(metrics["intervals"]) == {*SCALARS, "confusion_matrix", "classification_report"}
    for key, intervals in metrics["intervals"].items():
        for where, estimate, (low, high) in pairs(metrics[key], intervals, key):
            assert low <= estimate <= high, where
    for key in SCALARS:
        low, high = metrics["intervals"][key]
        assert low < high < low + 0.25, key


def test_resampling_few_images_adds_to_the_calibration_error() -> None:
    random = np.random.default_rng(0)
    scores = random.random(100)
    labels = (random.random(100) < scores).astype(int)
    metrics = measured(scores, labels, [str(i) for i in range(100)], calibration())
    low, high = metrics["intervals"]["ece"]
    assert (low + high) / 2 > metrics["ece"] + 0.02


def test_the_metrics_are_plain_json() -> None:
    metrics = measured(*overlapping(40), calibration(), resamples=20)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_interval_of_a_share_is_that_of_its_binomial() -> None:
    probabilities, labels, patients = overlapping(2000)
    metrics = measured(probabilities, labels, patients, calibration())
    share = metrics["sensitivity"]
    half = 1.96 * np.sqrt(share * (1 - share) / 1000)
    assert metrics["intervals"]["sensitivity"] == pytest.approx(
        [share - half, share + half], abs=5e-3
    )


def test_the_same_input_gives_the_same_intervals() -> None:
    first = measured(*overlapping(60), calibration(), resamples=250)
    assert measured(*overlapping(60), calibration(), resamples=250) == first


def test_further_images_of_the_same_patients_tell_nothing_new() -> None:
    probabilities, labels, patients = (np.tile(part, 4) for part in overlapping(100))
    as_patients = measured(probabilities, labels, list(patients), calibration())
    as_images = measured(probabilities, labels, [str(i) for i in range(400)], calibration())
    once = measured(*overlapping(100), calibration())
    assert as_patients["patients"] == 100
    for key in SCALARS:
        low, high = as_patients["intervals"][key]
        narrow_low, narrow_high = as_images["intervals"][key]
        assert 1.6 < (high - low) / (narrow_high - narrow_low) < 2.4, key
        assert once["intervals"][key] == pytest.approx([low, high]), key


def test_a_label_that_is_never_answered_has_no_precision() -> None:
    metrics = measured(PROBABILITIES, LABELS, PATIENTS, calibration(1.0), resamples=20)
    assert metrics["confusion_matrix"] == [[3, 0], [3, 0]]
    assert metrics["classification_report"]["PNEUMONIA"]["precision"] == 0
    assert metrics["intervals"]["classification_report"]["PNEUMONIA"]["f1-score"] == [0, 0]


def test_refuses_images_of_one_label() -> None:
    with pytest.raises(labelled.DataError, match="no PNEUMONIA"):
        measured(PROBABILITIES, np.zeros(6), PATIENTS, calibration())


def test_both_engines_give_the_same_metrics(
    tiny_model: ModelVersion, parts: dict[str, labelled.Images]
) -> None:
    images = parts[labelled.CALIBRATION]
    patients = images.patients
    openvino, tensorflow = (
        measured(
            infer(load(tiny_model, choice), images.pixels).probability,
            images.labels,
            patients,
            tiny_model.manifest.calibration,
            resamples=200,
        )
        for choice in ("openvino", "tensorflow")
    )
    for key in SCALARS:
        # One image of a label, 0.05 of them, has the very score of its conformal quantile.
        assert openvino[key] == pytest.approx(tensorflow[key], abs=0.051), key


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DIR of DIR/{NORMAL,PNEUMONIA}/*.png, twelve drawn images each, and a broken one."""
    folder = tmp_path_factory.mktemp("labelled")
    for label, name in enumerate(labelled.LABELS):
        (folder / name).mkdir()
        for seed in range(12):
            chest = synthetic.chest(3000 + seed, pneumonia=bool(label), size=(240, 300))
            path = folder / name / f"{name}{seed // 2}-{seed}.png"
            path.write_bytes(synthetic.encode(chest))
    (folder / "NORMAL" / "broken.png").write_bytes(synthetic.encode(chest)[:500])
    return folder


def command(folder: Path, out: Path, model_root: Path, *options: str) -> Any:
    """The command's result, by default without explanations, which take longest."""
    arguments = ["evaluate", str(folder), "--out", str(out), "--model-store", str(model_root)]
    return CliRunner().invoke(app, [*arguments, "--explanations", "0", *options])


def test_the_command_writes_metrics_figures_and_a_report(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    result = command(chests, out, model_root, "--engine", "openvino", "--explanations", "4")
    assert result.exit_code == 0, result.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["model"] == {"name": "pneumonia", "version": 1}
    assert metrics["engine"] == "openvino"
    assert (metrics["n"], metrics["skipped"]) == (24, 1)
    assert np.sum(metrics["confusion_matrix"]) == 24
    assert metrics["roc_auc"] > 0.6
    assert metrics["explanations"]["n"] == 4
    assert set(metrics["shift"]) == {"taken", "acquisition"}
    assert metrics["novelty"]["real"]["images"] == 24
    assert metrics["strange"].keys() == {*suitability.KINDS, "images", "intervals"}
    assert metrics["evidence"].keys() <= set(labelled.LABELS)
    assert sum(one["images"] for one in metrics["evidence"].values()) <= 24
    assert sorted(path.name for path in out.iterdir()) == ["figures", "metrics.json", "report.html"]
    assert {path.stem for path in (out / "figures").iterdir()} == FIGURES
    for name in FIGURES:
        with Image.open(out / "figures" / f"{name}.png") as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300, name
            assert np.asarray(picture.convert("L")).std() > 10, name


def test_each_group_is_measured_with_what_is_strange_in_it(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    command(chests, tmp_path, model_root)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    (group,) = metrics["groups"].values()
    assert list(metrics["groups"]) == ["from kermany"]
    assert (group["normal"], group["pneumonia"]) == (12, 12)
    assert group["roc_auc"] == pytest.approx(metrics["roc_auc"])
    assert group["strange"] == metrics["strange"]
    assert "from kermany" in (tmp_path / "report.html").read_text()


def test_the_report_tells_what_was_measured_without_a_network(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    command(chests, tmp_path, model_root)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    told = (tmp_path / "report.html").read_text()
    pictures, fetched = pages.read(told)
    assert (len(pictures), fetched) == (7, [])
    for key in SCALARS:
        assert f"<td>{Estimate(metrics[key], *metrics['intervals'][key])}</td>" in told


def test_without_explanations_none_are_measured_or_drawn(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    command(chests, tmp_path, model_root)
    assert "explanations" not in json.loads((tmp_path / "metrics.json").read_text())
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES - {"explanations"}


def test_the_command_tells_the_figures_and_what_it_skipped(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    result = command(chests, tmp_path, model_root)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    low, high = metrics["intervals"]["roc_auc"]
    assert f"{metrics['roc_auc']:.3f}   {low:.3f} to {high:.3f}" in result.stdout
    assert "24 images of 24 patients; broken and skipped: 1" in result.stdout
    assert str(tmp_path) in result.stdout
    assert "broken.png" in result.stderr


def test_the_command_gives_the_same_metrics_again(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    for out in ("first", "second"):
        command(chests, tmp_path / out, model_root, "--engine", "tensorflow")
    first, second = ((tmp_path / out / "metrics.json").read_text() for out in ("first", "second"))
    assert first == second


def refusal(result: Any) -> str:
    """The one sentence on stderr."""
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    return str(result.stderr.splitlines()[-1])


def test_the_command_refuses_a_folder_of_one_label(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "PNEUMONIA").symlink_to(chests / "PNEUMONIA")
    told = refusal(command(tmp_path, tmp_path / "out", model_root))
    assert told.startswith("Error: There are no images in")
    assert "NORMAL" in told


def test_the_command_refuses_a_label_whose_images_are_all_broken(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "PNEUMONIA").symlink_to(chests / "PNEUMONIA")
    (tmp_path / "NORMAL").mkdir()
    (tmp_path / "NORMAL" / "broken.png").write_bytes(b"no image")
    assert "there are no NORMAL" in refusal(command(tmp_path, tmp_path / "out", model_root))


def test_the_command_refuses_a_missing_model(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    result = command(chests, tmp_path, model_root, "--version", "7")
    assert "has no version 7" in refusal(result)


def test_the_command_refuses_a_place_that_it_cannot_write_to(
    chests: Path, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refusal(command(chests, tmp_path / "file" / "out", model_root))


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--run", "{}"],
        ["lungs", "kermany={}", "--masks", "{}", "--run", "{}/run"],
        ["fit", "kermany={}", "--lungs", "{}", "--run", "{}/run"],
    ],
)
def test_the_other_commands_tell_their_errors_too(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [argument.format(tmp_path) for argument in arguments])
    assert refusal(result).startswith("Error: ")


def test_a_bug_keeps_its_traceback(
    chests: Path, model_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(figures, "write", fail)
    result = command(chests, tmp_path, model_root)
    assert isinstance(result.exception, ValueError)
