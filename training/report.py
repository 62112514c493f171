"""Say in Markdown what was measured, and what it means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training import explanations, figures, gallery, novelty_report, shift
from training.page import html_page

TITLES = {
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "coverage_normal": "coverage of NORMAL",
    "coverage_pneumonia": "coverage of PNEUMONIA",
    "read_by_a_person": "read by a person",
}

FILE_NAME = "report.html"
FIGURES_FOLDER = "figures"

_FIGURES = {
    "roc": figures.ROC,
    "precision_recall": figures.PRECISION_RECALL,
    "confusion_matrix": figures.CONFUSION_MATRIX,
    "reliability": figures.RELIABILITY,
}

_RESULTS = """\
## How good it is

{table}

The calibration error (ECE) is how far the probability lies from the share of pneumonia, on average
over ten bins of it, and the Brier score its mean squared error: of both, less is better. Resampling
adds to the calibration error, so its interval lies too high. Coverage is the share of a label's
images whose `prediction_set` holds it; read by a person is the share whose set holds both.

![ROC curve]({figures}/{roc})
![Precision-recall curve]({figures}/{precision_recall})
![Confusion matrix]({figures}/{confusion_matrix})
![Reliability diagram]({figures}/{reliability})
"""

_SHIFT = """\
## When images are taken otherwise

The same images, without a tenth at each edge, with half the contrast, at a gamma of 0.6 and 1.6,
blurred by 1.5 pixels, and as JPEG of quality 20, at the same threshold:

{table}

Two drawn chests, the lower one with a consolidation, show what is meant, and the model's answers:

![Two drawn chests taken otherwise]({figures}/{drawn})
"""

_ACQUISITION = """\
A classifier that sees only an image's edge and sharpness, and nothing of the lung, tells the labels
apart with a ROC AUC of {alone}: the further above 0.5, the more differently they were taken. On the
{images} images where it argues most against the label the model's ROC AUC is {against}, on the rest
{rest}.
"""

_NOVELTY = """\
## What it warns of

The share of images that get `not_like_a_chest_xray`, and how well novelty alone tells them from the
chest X-rays (AUROC). Photos and scanner slices come with libraries; hand, knee and CT slice are
drawn; the last five kinds are made of the chest X-rays.

{table}

![One image of each kind but those made of chest X-rays]({figures}/{sheet})
"""

_EXPLANATIONS = """\
## Whether Grad-CAM explains it

On {n} images the pixels that argue most for the answer were replaced by those of an image with the
other answer (deletion), or put into it (insertion); the area under the curve of the log-odds should
be low, or high. Grad-CAM is held against itself at another place, and against occlusion.

{table}

With the head's weights shuffled, a map correlates with the original one by {head:.2f}, where maps
of different images do by {chance:.2f} (Adebayo 2018): one that tells of the weights, and not of the
image's edges, correlates by no more than that.

![Deletion, insertion, randomised weights]({figures}/{drawn})
"""

_REPORT = """\
# {name} {version}, measured

On {n:,} images of {patients:,} patients, through {engine} on {device}. PNEUMONIA is answered where
the probability is at least {threshold}. Intervals are 95 % intervals of a bootstrap over patients.

    {command}

{sections}

## Right and wrong answers

![Radiographs with their Grad-CAM overlays]({figures}/{gallery})
"""


def page(metrics: Mapping[str, Any], folder: Path) -> str:
    """What `evaluate.evaluate` measured, with the figures that it drew in `folder`, as HTML."""
    title = "{name} {version}".format(**metrics["model"])
    markdown = _REPORT.format(
        **metrics,
        **metrics["model"],
        sections=sections(metrics, {"": metrics}),
        figures=FIGURES_FOLDER,
        gallery=gallery.FILE_NAME,
    )
    return html_page(title, markdown, folder)


def sections(metrics: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]]) -> str:
    """What `evaluate.examine` measured, told in sections, with its figures.

    Args:
        metrics: what it returned.
        columns: the results that are set beside each other, by title.
    """
    parts = [
        _RESULTS.format(table=_results(columns), figures=FIGURES_FOLDER, **_FIGURES),
        _SHIFT.format(
            table=_taken(metrics["shift"]["taken"]), figures=FIGURES_FOLDER, drawn=shift.FILE_NAME
        ),
    ]
    if acquisition := metrics["shift"].get("acquisition"):
        areas = {
            name: figures.with_interval(acquisition[name], "roc_auc")
            for name in ("alone", "against", "rest")
        }
        parts.append(_ACQUISITION.format(images=acquisition["images"], **areas))
    parts.append(
        _NOVELTY.format(
            table=_kinds(metrics["novelty"]), figures=FIGURES_FOLDER, sheet=novelty_report.FILE_NAME
        )
    )
    if found := metrics.get("explanations"):
        chance = found["randomisation"]["another_image"]
        parts.append(
            _EXPLANATIONS.format(
                table=_maps(found),
                n=found["n"],
                head=found["randomisation"]["correlation"][1],
                chance=chance,
                figures=FIGURES_FOLDER,
                drawn=explanations.FILE_NAME,
            )
        )
    return "\n".join(parts)


def _results(columns: Mapping[str, Mapping[str, Any]]) -> str:
    found = columns.values()
    counts = [f"{one['n']:,} images of {one['patients']:,} patients" for one in found]
    rows = [
        [title, *(figures.with_interval(one, key) for one in found)]
        for key, title in TITLES.items()
    ]
    return table(["", *columns], [["", *counts], *rows])


def _taken(found: Mapping[str, Mapping[str, Any]]) -> str:
    keys = ("roc_auc", "sensitivity", "specificity")
    rows = [
        [name, *(figures.with_interval(one, key) for key in keys)] for name, one in found.items()
    ]
    return table(["the same images", *(TITLES[key] for key in keys)], rows)


def _kinds(found: Mapping[str, Any]) -> str:
    rows = [
        [kind.replace("_", " "), str(one["images"]), f"{one['auroc']:.3f}", f"{one['warned']:.1%}"]
        for kind, one in found["kinds"].items()
    ]
    real = found["real"]
    first = ["**chest X-rays as they are**", str(real["images"]), "", f"{real['warned']:.1%}"]
    return table(["", "images", "AUROC", "warned"], [first, *rows])


def _maps(found: Mapping[str, Any]) -> str:
    rows = []
    for kind in explanations.KINDS:
        for name, one in found[kind]["log_odds"].items():
            low, high = one["gain_interval"]
            gained = [f"{one['gain']:.2f} ({low:.2f} to {high:.2f})", f"{one['wins']:.0%}"]
            gained = ["", ""] if name == "random" else gained
            rows.append([kind, explanations.MAPS[name], f"{one['area']:.2f}", *gained])
    return table(["", "map", "area", "better than misplaced by", "on this share"], rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
