from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import synthetic
from training import evaluate, figures
from training.data import Sample

RANDOM = np.random.default_rng(0)
LABELS = np.arange(200) % 2
PROBABILITIES = RANDOM.beta(2, 2, 200) * 0.7 + 0.3 * LABELS


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    patients = [str(i) for i in range(200)]
    return evaluate.measure(PROBABILITIES, LABELS, patients, 0.5, resamples=100)


def legend(figure: Any) -> list[str]:
    legends = figure.legends or [figure.axes[0].get_legend()]
    return [text.get_text() for text in legends[0].get_texts()]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_writes_four_png_files(metrics: dict[str, Any], tmp_path: Path) -> None:
    figures.write(tmp_path / "figures", PROBABILITIES, LABELS, metrics)
    names = ["confusion_matrix.png", "precision_recall.png", "reliability.png", "roc.png"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names
    for name in names:
        with Image.open(tmp_path / "figures" / name) as picture:
            assert picture.format == "PNG"
            assert all(600 < side < 1200 for side in picture.size), name
            assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)


def test_the_curves_carry_areas_with_intervals_and_pass_the_operating_point(
    metrics: dict[str, Any],
) -> None:
    roc = figures.roc(PROBABILITIES, LABELS, metrics)
    low, high = metrics["intervals"]["roc_auc"]
    assert f"AUC {metrics['roc_auc']:.3f} ({low:.3f} to {high:.3f})" in legend(roc)
    curve = roc.axes[0].lines[0].get_xydata()
    point = [1 - metrics["specificity"], metrics["sensitivity"]]
    assert np.abs(np.asarray(curve) - point).sum(axis=1).min() < 1e-9

    precision_recall = figures.precision_recall(PROBABILITIES, LABELS, metrics)
    assert any(
        f"Average precision {metrics['pr_auc']:.3f}" in text for text in legend(precision_recall)
    )
    curve = precision_recall.axes[0].lines[0].get_xydata()
    found = metrics["classification_report"]["PNEUMONIA"]
    point = [found["recall"], found["precision"]]
    assert np.abs(np.asarray(curve) - point).sum(axis=1).min() < 1e-9


def test_the_confusion_matrix_has_counts_and_shares_of_rows() -> None:
    found = {"confusion_matrix": [[30, 10], [1, 1999]], "threshold": 0.5}
    axes = figures.confusion_matrix(found).axes[0]
    assert texts(axes) == ["30", "75.0%", "10", "25.0%", "1", "0.1%", "1,999", "100.0%"]


def test_the_reliability_diagram_bins_by_probability() -> None:
    probabilities = np.array([0.0, 0.04, 0.15, 0.15, 0.95, 1.0])
    labels = np.array([0, 0, 0, 1, 1, 1])
    upper, lower = figures.reliability(probabilities, labels).axes
    assert texts(lower) == ["2", "2", *["0"] * 7, "2"]
    points = upper.lines[1].get_xydata()
    assert points == pytest.approx(np.array([[0.02, 0], [0.15, 0.5], [0.975, 1]]))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Eight images without and two with pneumonia, 200 x 300 pixels."""
    folder = tmp_path_factory.mktemp("gallery")
    found = []
    for index in range(10):
        path = folder / f"{index}.png"
        path.write_bytes(synthetic.encode(synthetic.chest(index, size=(200, 300))))
        found.append(Sample(path, int(index >= 8)))
    return found


GALLERY_PROBABILITIES = np.array([0.0, 0.01, 0.02, 0.03, 0.2, 0.4, 0.7, 0.9999, 0.8, 0.9])


def shown(samples: list[Sample]) -> list[list[str]]:
    """What each row of the gallery says: heading, captions, and what stands in for pictures."""
    cams = RANDOM.normal(size=(10, 7, 7)).astype(np.float32)
    cells = figures.gallery(samples, GALLERY_PROBABILITIES, cams, 0.5).axes
    said = [texts(axes) + [axes.get_title()] * bool(axes.images) for axes in cells]
    return [list(chain(*said[row * 5 : row * 5 + 5])) for row in range(4)]


def test_the_gallery_spreads_right_answers_and_ranks_wrong_ones(samples: list[Sample]) -> None:
    assert shown(samples) == [
        ["True positives\n2 of 2\nPNEUMONIA", "P = 0.900", "P = 0.800"],
        ["True negatives\n6 of 8\nNORMAL", "P < 0.001", "P = 0.030", "P = 0.200", "P = 0.400"],
        ["False positives\n2 of 8\nNORMAL", "P > 0.999", "P = 0.700"],
        ["False negatives\n0 of 2\nPNEUMONIA", "No example."],
    ]


def test_the_gallery_shows_pairs_of_the_original_aspect_ratio(samples: list[Sample]) -> None:
    picture = figures._pair(samples[0].path, np.ones((7, 7), np.float32), "pneumonia")
    assert picture.shape == (200, 609, 3)
    plain, explained = picture[:, :300], picture[:, 309:]
    assert (plain == synthetic.chest(0, size=(200, 300))[:, :, np.newaxis]).all()
    assert explained[..., 0].mean() > explained[..., 2].mean() + 20


def test_the_gallery_is_a_png_of_readable_size(samples: list[Sample], tmp_path: Path) -> None:
    cams = np.ones((10, 7, 7), np.float32)
    figure = figures.gallery(samples, GALLERY_PROBABILITIES, cams, 0.5)
    figures.save(figure, tmp_path / "gallery.png")
    with Image.open(tmp_path / "gallery.png") as picture:
        assert 1800 < picture.width < 2600
        assert 900 < picture.height < 1500


def test_figures_leave_no_global_state() -> None:
    from matplotlib import pyplot

    figures.reliability(PROBABILITIES, LABELS)
    assert pyplot.get_fignums() == []
