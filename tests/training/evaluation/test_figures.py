from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.special import logit

from tests.training.evaluation.scored import calibration
from training import drawing
from training.evaluation import evaluate, figures
from training.evaluation.measured import Estimate, Performance

RANDOM = np.random.default_rng(0)
LABELS = np.arange(200) % 2
PROBABILITIES = RANDOM.beta(2, 2, 200) * 0.7 + 0.3 * LABELS
LOGITS = 2 * logit(PROBABILITIES) - 1


@pytest.fixture(scope="module")
def metrics() -> Performance:
    patients = [str(i) for i in range(200)]
    return evaluate.measure(PROBABILITIES, LABELS, patients, calibration(), resamples=100)


def legend(figure: Any) -> list[str]:
    legends = figure.legends or [figure.axes[0].get_legend()]
    return [text.get_text() for text in legends[0].get_texts()]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_writes_four_png_files(metrics: Performance, tmp_path: Path) -> None:
    figures.write(tmp_path / "figures", LOGITS, PROBABILITIES, LABELS, metrics)
    names = ["confusion_matrix.png", "precision_recall.png", "reliability.png", "roc.png"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names
    for name in names:
        with Image.open(tmp_path / "figures" / name) as picture:
            assert picture.format == "PNG"
            assert all(600 < side < 1200 for side in picture.size), name
            assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)


def test_a_figure_is_saved_with_a_palette_of_so_many_colours(
    metrics: Performance, tmp_path: Path
) -> None:
    drawing.save(figures.roc(PROBABILITIES, LABELS, metrics), tmp_path / "roc.png", colours=16)
    with Image.open(tmp_path / "roc.png") as picture:
        assert picture.mode == "P"
        assert 2 < len(np.unique(np.asarray(picture))) <= 16


def test_the_curves_carry_areas_with_intervals_and_pass_the_operating_point(
    metrics: Performance,
) -> None:
    roc = figures.roc(PROBABILITIES, LABELS, metrics)
    area = metrics.roc_auc
    assert f"AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f})" in legend(roc)
    curve = roc.axes[0].lines[0].get_xydata()
    point = [1 - metrics.specificity.value, metrics.sensitivity.value]
    assert np.abs(np.asarray(curve) - point).sum(axis=1).min() < 1e-9

    precision_recall = figures.precision_recall(PROBABILITIES, LABELS, metrics)
    assert any(
        f"Average precision {metrics.pr_auc.value:.3f}" in text for text in legend(precision_recall)
    )
    curve = precision_recall.axes[0].lines[0].get_xydata()
    found = metrics.classification_report["PNEUMONIA"]
    point = [found["recall"].value, found["precision"].value]
    assert np.abs(np.asarray(curve) - point).sum(axis=1).min() < 1e-9


def test_the_confusion_matrix_has_counts_and_shares_of_rows(metrics: Performance) -> None:
    counts = [[Estimate(count, 0, 0) for count in row] for row in ([30, 10], [1, 1999])]
    axes = figures.confusion_matrix(replace(metrics, confusion_matrix=counts)).axes[0]
    assert texts(axes) == ["30", "75.0%", "10", "25.0%", "1", "0.1%", "1,999", "100.0%"]


def test_the_reliability_diagram_bins_by_probability() -> None:
    probabilities = np.array([0.0, 0.04, 0.15, 0.15, 0.95, 1.0])
    labels = np.array([0, 0, 0, 1, 1, 1])
    logits = logit([0.25, 0.25, 0.25, 0.25, 0.75, 0.75])
    figure = figures.reliability(logits, probabilities, labels)
    upper, lower = figure.axes
    assert texts(lower) == [
        *["0", "0", "4", "0", "0", "0", "0", "2", "0", "0"],
        *["2", "2", "0", "0", "0", "0", "0", "0", "0", "2"],
    ]
    before, after = (container[0].get_xydata() for container in upper.containers)
    assert before == pytest.approx(np.array([[0.25, 0.25], [0.75, 1]]))
    assert after == pytest.approx(np.array([[0.02, 0], [0.15, 0.5], [0.975, 1]]))
    # (0 + 2 * 0.25) / 6, and (2 * 0.02 + 2 * 0.35 + 2 * 0.025) / 6.
    assert legend(figure)[1:] == ["Before calibration: ECE 0.083", "Calibrated: ECE 0.132"]


def test_the_reliability_diagram_tells_the_error_that_is_measured(metrics: Performance) -> None:
    figure = figures.reliability(LOGITS, PROBABILITIES, LABELS)
    assert legend(figure)[2] == f"Calibrated: ECE {metrics.ece.value:.3f}"


def test_figures_leave_no_global_state() -> None:
    from matplotlib import pyplot

    figures.reliability(LOGITS, PROBABILITIES, LABELS)
    assert pyplot.get_fignums() == []
