"""What was measured, as Markdown and as one HTML file."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests import pages
from tests.training.evaluation.scored import calibration, overlapping
from training.evaluation import evaluate, figures, groups, report

FIGURES = (
    "figures/roc.png",
    "figures/precision_recall.png",
    "figures/confusion_matrix.png",
    "figures/reliability.png",
    "figures/taken_otherwise.png",
    "figures/not_chest_xrays.png",
)
EXPLAINED = "figures/explanations.png"


def curves(*areas: float) -> dict[str, Any]:
    """What `explanations` tells of the maps, whose areas these are."""
    spans = {"gain_interval": [0.5, 1.25], "wins": 0.75}
    maps = zip(("grad_cam", "random", "lungs", "occlusion"), areas, strict=True)
    return {"log_odds": {name: {"area": area, "gain": area / 2} | spans for name, area in maps}}


def spanned(**estimates: float) -> dict[str, Any]:
    """Estimates, each with an interval of 0.05 to either side."""
    spans = {key: [value - 0.05, value + 0.05] for key, value in estimates.items()}
    return {**estimates, "intervals": spans}


EVIDENCE = {
    "NORMAL": {"images": 21, "in_lungs": 0.91, "interval": [0.88, 0.94], "of_the_image": 0.31},
    "PNEUMONIA": {"images": 19, "in_lungs": 0.87, "interval": [0.8, 0.93], "of_the_image": 0.29},
}
GROUP = {
    "n": 30,
    "normal": 12,
    "pneumonia": 18,
    "patients": 25,
    **spanned(**{key: 0.7 + place / 100 for place, key in enumerate(groups.FIGURES)}),
    "strange": {"images": 30, **spanned(warned=0.1, without_lungs=0.2, told_apart=0.25)},
}
EXPLANATIONS = {
    "n": 8,
    "deletion": curves(-1.5, 0.25, -0.5, -3.0),
    "insertion": curves(2.5, -0.75, 1.0, 4.0),
    "randomisation": {"correlation": [1.0, 0.31, 0.2], "another_image": 0.29},
}
SHIFT = {
    "taken": {
        "as they are": spanned(roc_auc=0.9812, sensitivity=0.9, specificity=0.8),
        "cropped": spanned(roc_auc=0.9704, sensitivity=0.85, specificity=0.75),
    }
}
ACQUISITION = {
    "alone": spanned(roc_auc=0.871),
    "against": spanned(roc_auc=0.912),
    "rest": spanned(roc_auc=0.994),
    "images": 17,
}


def measured(count: int) -> dict[str, Any]:
    """Measured on so many scores, with evidence made up, and without groups."""
    found = evaluate.measure(*overlapping(count), calibration(0.45), resamples=20)
    return found | {"evidence": EVIDENCE, "groups": {}}


@pytest.fixture
def metrics() -> dict[str, Any]:
    """Measured on scores, with other findings made up; without acquisition or explanations."""
    return measured(40) | {
        "engine": "openvino",
        "device": "a CPU",
        "model": {"name": "chests", "version": 3},
        "command": "python -m training evaluate 'my chests'",
        "skipped": 0,
        "shift": SHIFT,
        "novelty": {
            "real": {"images": 40, "warned": 0.025, "without_lungs": 0.0, "told_apart": 0.025},
            "kinds": {
                "hand_xray": {
                    "images": 12,
                    "auroc": 0.998,
                    "warned": 0.917,
                    "without_lungs": 0.75,
                    "told_apart": 1.0,
                },
                "upside_down": {
                    "images": 40,
                    "auroc": 0.75,
                    "warned": 0.1,
                    "without_lungs": 0.2,
                    "told_apart": 0.25,
                },
            },
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where every figure lies, each with its own content."""
    (tmp_path / "figures").mkdir()
    for name in (*FIGURES, EXPLAINED, "figures/gallery.png"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def rows(markdown: str) -> list[list[str]]:
    """The cells of every line of its tables."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_results_stand_beside_each_other_with_their_intervals(
    metrics: dict[str, Any],
) -> None:
    other = measured(60)
    found = rows(report.sections(metrics, {"validation": metrics, "calibration": other}))
    assert found[0] == ["", "validation", "calibration"]
    assert found[2] == ["", "40 images of 40 patients", "60 images of 60 patients"]
    assert found[3 : 3 + len(report.TITLES)] == [
        [title, figures.with_interval(metrics, key), figures.with_interval(other, key)]
        for key, title in report.TITLES.items()
    ]


def test_every_number_that_has_an_interval_has_a_title(metrics: dict[str, Any]) -> None:
    nested = {"confusion_matrix", "classification_report"}
    assert report.TITLES.keys() == metrics["intervals"].keys() - nested


def test_each_group_is_told_with_its_intervals_for_each_part(metrics: dict[str, Any]) -> None:
    assert "## For whom" not in report.sections(metrics, {"validation": metrics})
    grouped = metrics | {"groups": {"adults AP": GROUP}}
    told = report.sections(metrics, {"validation": grouped, "calibration": grouped})
    found = [row for row in rows(told) if row[0] == "adults AP"]
    assert len(found) == 2
    assert found[0][:3] == ["adults AP", "12 and 18", figures.with_interval(GROUP, "roc_auc")]
    assert found[0][-2:] == ["0.100 (0.050 to 0.150)", "0.200 (0.150 to 0.250)"]
    assert figures.with_interval(GROUP, "coverage_normal") in found[0]
    head = next(row for row in rows(told) if row[1] == "normal and pneumonia")
    assert len(head) == len(found[0])
    assert head[-2:] == ["warned", "refused"]


def test_the_evidence_in_the_lungs_is_told_for_each_answer_of_each_part(
    metrics: dict[str, Any],
) -> None:
    found = rows(report.sections(metrics, {"validation": metrics, "calibration": metrics}))
    for part in ("validation", "calibration"):
        assert [f"{part} NORMAL", "21", "0.910 (0.880 to 0.940)", "0.31"] in found
        assert [f"{part} PNEUMONIA", "19", "0.870 (0.800 to 0.930)", "0.29"] in found


def test_each_way_to_take_the_images_otherwise_is_told(metrics: dict[str, Any]) -> None:
    found = rows(report.sections(metrics, {}))
    for name, one in SHIFT["taken"].items():
        keys = "roc_auc", "sensitivity", "specificity"
        assert [name, *(figures.with_interval(one, key) for key in keys)] in found


def test_acquisition_is_told_where_it_was_measured(metrics: dict[str, Any]) -> None:
    assert "an image's edge and sharpness" not in report.sections(metrics, {})
    metrics["shift"] = SHIFT | {"acquisition": ACQUISITION}
    told = " ".join(report.sections(metrics, {}).split())
    assert "apart with a ROC AUC of 0.871 (0.821 to 0.921)" in told
    assert "On the 17 images where it argues most against the label" in told
    assert "the model's ROC AUC is 0.912 (0.862 to 0.962), on the rest 0.994" in told


def test_each_kind_that_is_no_chest_xray_is_told(metrics: dict[str, Any]) -> None:
    found = rows(report.sections(metrics, {}))
    assert found[-3:] == [
        ["**chest X-rays as they are**", "40", "", "2.5%", "0.0%", "2.5%"],
        ["hand xray", "12", "0.998", "91.7%", "75.0%", "100.0%"],
        ["upside down", "40", "0.750", "10.0%", "20.0%", "25.0%"],
    ]


def test_explanations_are_told_where_they_were_checked(metrics: dict[str, Any]) -> None:
    assert "Whether Grad-CAM explains it" not in report.sections(metrics, {})
    told = report.sections(metrics | {"explanations": EXPLANATIONS}, {})
    assert rows(told)[-8:] == [
        ["deletion", "Grad-CAM", "-1.50", "-0.75 (0.50 to 1.25)", "75%"],
        ["deletion", "Grad-CAM, misplaced", "0.25", "", ""],
        ["deletion", "The lungs alone", "-0.50", "-0.25 (0.50 to 1.25)", "75%"],
        ["deletion", "Occlusion", "-3.00", "-1.50 (0.50 to 1.25)", "75%"],
        ["insertion", "Grad-CAM", "2.50", "1.25 (0.50 to 1.25)", "75%"],
        ["insertion", "Grad-CAM, misplaced", "-0.75", "", ""],
        ["insertion", "The lungs alone", "1.00", "0.50 (0.50 to 1.25)", "75%"],
        ["insertion", "Occlusion", "4.00", "2.00 (0.50 to 1.25)", "75%"],
    ]
    assert "On 8 images" in told
    assert "correlates with the original one by 0.31" in told
    assert "maps of different images do by 0.29" in " ".join(told.split())


@pytest.mark.parametrize(
    ("checks", "shown"),
    [({}, FIGURES), ({"explanations": EXPLANATIONS}, (*FIGURES, EXPLAINED))],
)
def test_the_page_tells_what_measured_what_and_shows_each_figure_once(
    checks: dict[str, Any],
    shown: tuple[str, ...],
    metrics: dict[str, Any],
    folder: Path,
) -> None:
    page = report.page(metrics | checks, folder)
    pictures, fetched = pages.read(page)
    assert fetched == []
    contents = [base64.b64decode(picture.split(",")[1]).decode() for picture in pictures]
    assert contents == [*shown, "figures/gallery.png"]
    assert "<title>chests 3</title>" in page
    assert "<h1>chests 3, measured</h1>" in page
    told = " ".join(page.split())
    assert "On 40 images of 40 patients, through openvino on a CPU." in told
    assert "probability is at least 0.45." in told
    assert "<code>python -m training evaluate 'my chests' </code>" in told
    assert f"<td>{figures.with_interval(metrics, 'roc_auc')}</td>" in page
