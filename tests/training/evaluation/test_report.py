"""What was measured, as Markdown and as one HTML file."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import pages
from tests.training.evaluation.scored import calibration, overlapping
from training.evaluation import evaluate, groups, report
from training.evaluation.measured import (
    TITLES,
    Acquisition,
    Curve,
    Curves,
    Estimate,
    Evaluation,
    Evidence,
    Explanations,
    Group,
    Model,
    NoChest,
    Novelty,
    Randomisation,
    Shares,
    Shift,
    Strange,
    Taken,
    to_json,
)

FIGURES = (
    "figures/roc.png",
    "figures/precision_recall.png",
    "figures/confusion_matrix.png",
    "figures/reliability.png",
    "figures/taken_otherwise.png",
    "figures/not_chest_xrays.png",
)
EXPLAINED = "figures/explanations.png"


def curves(*areas: float) -> Curves:
    """What `explanations` tells of the maps, whose areas these are."""
    spans: Any = {"area_interval": [], "gain_interval": [0.5, 1.25], "wins": 0.75}
    maps = zip(("grad_cam", "random", "lungs", "occlusion"), areas, strict=True)
    told = {name: Curve(curve=[], area=area, gain=area / 2, **spans) for name, area in maps}
    return Curves(log_odds=told, probability={})


def spanned(**values: float) -> dict[str, Any]:
    """Estimates with an interval of 0.05 to either side."""
    return {key: Estimate(value, value - 0.05, value + 0.05) for key, value in values.items()}


def taken(roc_auc: float, sensitivity: float = 0.9, specificity: float = 0.8) -> Taken:
    return Taken(**spanned(roc_auc=roc_auc, sensitivity=sensitivity, specificity=specificity))


EVIDENCE = {
    "NORMAL": Evidence(images=21, in_lungs=0.91, interval=[0.88, 0.94], of_the_image=0.31),
    "PNEUMONIA": Evidence(images=19, in_lungs=0.87, interval=[0.8, 0.93], of_the_image=0.29),
}
STRANGE = Strange(images=30, **spanned(warned=0.1, without_lungs=0.2, told_apart=0.25))
GROUP = Group(
    n=30,
    normal=12,
    pneumonia=18,
    patients=25,
    **spanned(**{key: 0.7 + place / 100 for place, key in enumerate(groups.FIGURES)}),
    strange=STRANGE,
)
EXPLANATIONS = Explanations(
    n=8,
    seed=0,
    shares=[],
    deletion=curves(-1.5, 0.25, -0.5, -3.0),
    insertion=curves(2.5, -0.75, 1.0, 4.0),
    randomisation=Randomisation(
        layers=2,
        randomised=[0, 1, 2],
        correlation=[1.0, 0.31, 0.2],
        intervals=[],
        another_image=0.29,
    ),
)
SHIFT = Shift(
    taken={"as they are": taken(0.9812), "cropped": taken(0.9704, 0.85, 0.75)}, acquisition=None
)
ACQUISITION = Acquisition(alone=taken(0.871), against=taken(0.912), rest=taken(0.994), images=17)
NOVELTY = Novelty(
    real=Shares(images=40, warned=0.025, without_lungs=0.0, told_apart=0.025),
    kinds={
        "hand_xray": NoChest(
            images=12, auroc=0.998, warned=0.917, without_lungs=0.75, told_apart=1.0
        ),
        "upside_down": NoChest(
            images=40, auroc=0.75, warned=0.1, without_lungs=0.2, told_apart=0.25
        ),
    },
)


def measured(count: int) -> Evaluation:
    """Measured on so many scores, with other findings made up; without groups, acquisition or
    explanations.
    """
    found = evaluate.measure(*overlapping(count), calibration(0.45), resamples=20)
    return Evaluation(
        **vars(found),
        engine="openvino",
        device="a CPU",
        evidence=EVIDENCE,
        strange=STRANGE,
        groups={},
        shift=SHIFT,
        novelty=NOVELTY,
        explanations=None,
        model=Model("chests", 3),
        command="python -m training evaluate 'my chests'",
        skipped=0,
    )


@pytest.fixture
def metrics() -> Evaluation:
    return measured(40)


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
    metrics: Evaluation,
) -> None:
    other = measured(60)
    found = rows(report.sections(metrics, {"validation": metrics, "calibration": other}))
    assert found[0] == ["", "validation", "calibration"]
    assert found[2] == ["", "40 images of 40 patients", "60 images of 60 patients"]
    assert found[3 : 3 + len(TITLES)] == [
        [title, str(getattr(metrics, key)), str(getattr(other, key))]
        for key, title in TITLES.items()
    ]


def test_every_number_that_has_an_interval_has_a_title(metrics: Evaluation) -> None:
    nested = {"confusion_matrix", "classification_report"}
    assert TITLES.keys() == to_json(metrics)["intervals"].keys() - nested


def test_each_group_is_told_with_its_intervals_for_each_part(metrics: Evaluation) -> None:
    assert "## For whom" not in report.sections(metrics, {"validation": metrics})
    grouped = replace(metrics, groups={"adults AP": GROUP})
    told = report.sections(metrics, {"validation": grouped, "calibration": grouped})
    found = [row for row in rows(told) if row[0] == "adults AP"]
    assert len(found) == 2
    assert found[0][:3] == ["adults AP", "12 and 18", str(GROUP.roc_auc)]
    assert found[0][-2:] == ["0.100 (0.050 to 0.150)", "0.200 (0.150 to 0.250)"]
    assert str(GROUP.coverage_normal) in found[0]
    head = next(row for row in rows(told) if row[1] == "normal and pneumonia")
    assert len(head) == len(found[0])
    assert head[-2:] == ["warned", "refused"]


def test_the_evidence_in_the_lungs_is_told_for_each_answer_of_each_part(
    metrics: Evaluation,
) -> None:
    found = rows(report.sections(metrics, {"validation": metrics, "calibration": metrics}))
    for part in ("validation", "calibration"):
        assert [f"{part} NORMAL", "21", "0.910 (0.880 to 0.940)", "0.31"] in found
        assert [f"{part} PNEUMONIA", "19", "0.870 (0.800 to 0.930)", "0.29"] in found


def test_each_way_to_take_the_images_otherwise_is_told(metrics: Evaluation) -> None:
    found = rows(report.sections(metrics, {}))
    for name, one in SHIFT.taken.items():
        assert [name, str(one.roc_auc), str(one.sensitivity), str(one.specificity)] in found


def test_acquisition_is_told_where_it_was_measured(metrics: Evaluation) -> None:
    assert "an image's edge and sharpness" not in report.sections(metrics, {})
    metrics = replace(metrics, shift=replace(SHIFT, acquisition=ACQUISITION))
    told = " ".join(report.sections(metrics, {}).split())
    assert "apart with a ROC AUC of 0.871 (0.821 to 0.921)" in told
    assert "On the 17 images where it argues most against the label" in told
    assert "the model's ROC AUC is 0.912 (0.862 to 0.962), on the rest 0.994" in told


def test_each_kind_that_is_no_chest_xray_is_told(metrics: Evaluation) -> None:
    found = rows(report.sections(metrics, {}))
    assert found[-3:] == [
        ["**chest X-rays as they are**", "40", "", "2.5%", "0.0%", "2.5%"],
        ["hand xray", "12", "0.998", "91.7%", "75.0%", "100.0%"],
        ["upside down", "40", "0.750", "10.0%", "20.0%", "25.0%"],
    ]


def test_explanations_are_told_where_they_were_checked(metrics: Evaluation) -> None:
    assert "Whether Grad-CAM explains it" not in report.sections(metrics, {})
    told = report.sections(replace(metrics, explanations=EXPLANATIONS), {})
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
    ("checks", "shown"), [(None, FIGURES), (EXPLANATIONS, (*FIGURES, EXPLAINED))]
)
def test_the_page_tells_what_measured_what_and_shows_each_figure_once(
    checks: Explanations | None,
    shown: tuple[str, ...],
    metrics: Evaluation,
    folder: Path,
) -> None:
    page = report.page(replace(metrics, explanations=checks), folder)
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
    assert f"<td>{metrics.roc_auc}</td>" in page
