"""Say in Markdown what was measured, and what it means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.data.labelled import LABELS
from training.evaluation import (
    explanations,
    figures,
    gallery,
    groups,
    novelty_report,
    shift,
    suitability,
)
from training.evaluation.page import html_page

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

# What is found strange in images, as tables title it.
_STRANGE = dict(zip(suitability.KINDS, ("warned", "refused", "either"), strict=True))

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

_GROUPS = """\
## For whom

A mean hides the worst. Of each group that has {least} images of each label or more, with 95 %
intervals over its patients; warned is the share that gets `not_like_a_chest_xray`, refused the
share in which no lungs are found.

{tables}
"""

_EVIDENCE = """\
## Where it looked

How much of what argues for the answer lies in the lungs or at their rim, in the mean, and how much
of the image these take, which is what chance would give. The map is zero by construction where
there is no lung, so this tells that the construction holds; whether the map explains the answer is
another question.

{table}
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

The share of images that get `not_like_a_chest_xray` (warned), in which no lungs are found
(refused), and of which either is true: to those nobody is told NORMAL or PNEUMONIA. Besides, how
well novelty alone tells a kind from the chest X-rays (AUROC). Photos and scanner slices come with
libraries; hand, knee and CT slice are drawn; the last five kinds are made of the chest X-rays.

{table}

![One image of each kind but those made of chest X-rays]({figures}/{sheet})
"""

_EXPLANATIONS = """\
## Whether Grad-CAM explains it

On {n} images the pixels that argue most for the answer were replaced by those of an image with the
other answer (deletion), or put into it (insertion); the area under the curve of the log-odds should
be low, or high. Grad-CAM is held against itself at another place, against the lungs alone, which
tell where the model may look and nothing more, and against occlusion.

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
        *_for_whom(columns),
        _EVIDENCE.format(table=_in_lungs(columns)),
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


def _for_whom(columns: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table of groups for each column that has any; a section, or nothing where none has."""
    tables = [
        f"{title}\n\n{_by_group(found['groups'])}" if title else _by_group(found["groups"])
        for title, found in columns.items()
        if found["groups"]
    ]
    return [_GROUPS.format(least=groups.LEAST, tables="\n\n".join(tables))] if tables else []


def _by_group(found: Mapping[str, Mapping[str, Any]]) -> str:
    keys = [key for key in groups.FIGURES if key != "pr_auc"]
    strange = [kind for kind in suitability.KINDS if kind != "told_apart"]
    rows = [
        [
            name,
            f"{one['normal']:,} and {one['pneumonia']:,}",
            *(figures.with_interval(one, key) for key in keys),
            *(figures.with_interval(one["strange"], kind) for kind in strange),
        ]
        for name, one in found.items()
    ]
    titles = [*(TITLES[key] for key in keys), *(_STRANGE[kind] for kind in strange)]
    return table(["", "normal and pneumonia", *titles], rows)


def _in_lungs(columns: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{title} {name}".strip(),
            f"{one['images']:,}",
            f"{one['in_lungs']:.3f} ({one['interval'][0]:.3f} to {one['interval'][1]:.3f})",
            f"{one['of_the_image']:.2f}",
        ]
        for title, found in columns.items()
        for name in LABELS
        if (one := found["evidence"].get(name))
    ]
    return table(["answered", "images", "evidence in the lungs", "their share of the image"], rows)


def _taken(found: Mapping[str, Mapping[str, Any]]) -> str:
    keys = ("roc_auc", "sensitivity", "specificity")
    rows = [
        [name, *(figures.with_interval(one, key) for key in keys)] for name, one in found.items()
    ]
    return table(["the same images", *(TITLES[key] for key in keys)], rows)


def _kinds(found: Mapping[str, Any]) -> str:
    rows = [
        [kind.replace("_", " "), f"{one['images']:,}", f"{one['auroc']:.3f}", *_strange(one)]
        for kind, one in found["kinds"].items()
    ]
    real = found["real"]
    first = ["**chest X-rays as they are**", f"{real['images']:,}", "", *_strange(real)]
    return table(["", "images", "AUROC", *_STRANGE.values()], [first, *rows])


def _strange(found: Mapping[str, Any]) -> list[str]:
    return [f"{found[kind]:.1%}" for kind in _STRANGE]


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
