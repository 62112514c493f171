"""Measure an exported model the way the service runs it, each figure with its uncertainty."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import typer
from sklearn.metrics import (
    average_precision_score,
    classification_report,
    confusion_matrix,
    roc_auc_score,
)

from app.inference.contract import Answers, Engine
from model_store.manifest import Calibration
from model_store.store import ModelVersion
from training.command import command
from training.data import labelled, negatives
from training.drawing import save
from training.evaluation import (
    bootstrap,
    evidence,
    explanations,
    figures,
    gallery,
    groups,
    novelty_report,
    report,
    shift,
    suitability,
    weighted,
)
from training.evaluation.answers import infer

Labels = npt.NDArray[np.integer[Any]] | npt.NDArray[np.floating[Any]]

RESAMPLES = 2_000
METRICS_FILE = "metrics.json"

_SPOILT = 100
_DRAWING_SEED = 0
_GRAYS, _COLOURS = 32, 64
_CELLS = (("true negatives", "false positives"), ("false negatives", "true positives"))


def evaluate(
    model: ModelVersion, engine: Engine, samples: list[labelled.Sample], out: Path, explained: int
) -> dict[str, Any]:
    """Measure a model on labelled images; write metrics, figures and report into `out`.

    Args:
        model: the version.
        engine: `model`, loaded.
        samples: images of both labels.
        out: made if need be; files of the same names are overwritten.
        explained: on how many images the explanations are checked, 0 for none.

    Returns:
        What `out/metrics.json` holds.

    Raises:
        DataError: there are not readable images of both labels.
    """
    images = labelled.load(samples, "images")
    out.mkdir(parents=True, exist_ok=True)
    found, metrics = examine(model, engine, images, out, explained)
    metrics |= {
        "model": {"name": model.manifest.name, "version": model.manifest.version},
        "command": command(),
        "skipped": len(samples) - len(images),
    }
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    threshold = model.manifest.calibration.operating_point.threshold
    examples = gallery.draw(images.samples, found, threshold)
    save(examples, out / report.FIGURES_FOLDER / gallery.FILE_NAME)
    (out / report.FILE_NAME).write_text(report.page(metrics, out))
    return metrics


def examine(
    model: ModelVersion, engine: Engine, images: labelled.Images, out: Path, explained: int
) -> tuple[Answers, dict[str, Any]]:
    """All that is measured of a model on labelled images, with its figures in `out/figures`.

    Returns the answers, and by name: what `ask` and `shift.measure` say, `novelty_report`'s
    `novelty`, and the `explanations` of `explanations.check` where `explained` is not 0 and the
    model answers both labels.
    """
    calibration = model.manifest.calibration
    threshold = calibration.operating_point.threshold
    found, metrics = ask(engine, images, calibration)
    drawings = out / report.FIGURES_FOLDER
    figures.write(drawings, found.logit, found.probability, images.labels, metrics)
    unrelated = negatives.unrelated(_DRAWING_SEED)
    spoilt = negatives.spoilt(images.pixels[:: max(1, len(images) // _SPOILT)], _DRAWING_SEED)
    metrics |= {
        "shift": shift.measure(engine, images, found, threshold),
        "novelty": novelty_report.measure(engine, found, unrelated | spoilt, calibration),
    }
    taken, sheet = shift.figure(engine, threshold), novelty_report.contact_sheet(unrelated)
    save(taken, drawings / shift.FILE_NAME, _GRAYS)
    save(sheet, drawings / novelty_report.FILE_NAME, _GRAYS)
    if explained:
        try:
            checks = explanations.check(model, engine, images, explained)
        except labelled.DataError as error:
            typer.echo(f"the explanations were not checked: {error}", err=True)
        else:
            metrics["explanations"] = checks
            save(explanations.figure(checks), drawings / explanations.FILE_NAME, _COLOURS)
    return found, metrics


def ask(
    engine: Engine, images: labelled.Images, calibration: Calibration
) -> tuple[Answers, dict[str, Any]]:
    """The engine's answers to all images, and what they are worth.

    Beside what `measure` says: what gave them as `engine` and `device`, `evidence`, what
    `evidence.measure` says, `strange`, what `suitability.with_intervals` says, and `groups`, what
    `groups.measure` says, to each of which its own `strange` is added.
    """
    found = infer(engine, images.pixels, f"answers of {engine.name}")
    metrics = measure(found.probability, images.labels, images.patients, calibration)
    strange = suitability.judge(found, calibration)
    answered = _answered(found.probability, images.labels, calibration)
    by_group = groups.measure(answered, images.samples)
    patients = np.array(images.patients)
    for name, mask in groups.masks(images.samples).items():
        whose = patients[mask].tolist()
        by_group[name]["strange"] = suitability.with_intervals(strange.of(mask), whose)
    return found, metrics | {
        "engine": engine.name,
        "device": engine.device,
        "evidence": evidence.measure(
            found, answered.called == 1, strange.without_lungs, images.patients
        ),
        "strange": suitability.with_intervals(strange, images.patients),
        "groups": by_group,
    }


def measure(
    probabilities: npt.NDArray[np.floating[Any]],
    labels: Labels,
    patients: Sequence[str],
    calibration: Calibration,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Compute every figure and its interval, as plain values that JSON can hold.

    Args:
        probabilities: `[N]`, P(PNEUMONIA).
        labels: `[N]` of 0 and 1, indices of `labelled.LABELS`.
        patients: whose image each is, N.
        calibration: its threshold decides the answers, its quantiles the prediction sets.
        resamples: of the bootstrap, which is seeded: the same input gives the same intervals.

    Returns:
        `accuracy`, `roc_auc`, `pr_auc` (average precision), `sensitivity` and `specificity` (the
        recall of PNEUMONIA and of NORMAL), `ece`, `brier`, `coverage_normal`, `coverage_pneumonia`
        and `read_by_a_person` (see `weighted.trust`), `confusion_matrix` `[[tn, fp], [fn, tp]]`,
        scikit-learn's `classification_report`, `n` images, `patients`, `threshold`,
        `bootstrap_resamples`, and `intervals`: the twelve figures once more, with the `[low, high]`
        of `bootstrap.intervals` in the place of each number.

    Raises:
        DataError: there are not images of both labels.
    """
    found = _answered(probabilities, labels, calibration)
    truth, scores, called = found.truth, found.scores, found.called
    for label, name in enumerate(labelled.LABELS):
        if label not in truth:
            raise labelled.DataError(
                f"To measure takes images of both labels; there are no {name}."
            )
    trust = weighted.trust(np.ones((1, len(truth))), found)
    by_label = classification_report(
        truth, called, target_names=labelled.LABELS, output_dict=True, zero_division=0
    )
    return {
        "accuracy": by_label["accuracy"],
        "roc_auc": float(roc_auc_score(truth, scores)),
        "pr_auc": float(average_precision_score(truth, scores)),
        "sensitivity": by_label["PNEUMONIA"]["recall"],
        "specificity": by_label["NORMAL"]["recall"],
        **{key: float(value) for key, (value,) in trust.items()},
        "confusion_matrix": confusion_matrix(truth, called).tolist(),
        "classification_report": by_label,
        "n": len(truth),
        "patients": len(set(patients)),
        "threshold": calibration.operating_point.threshold,
        "bootstrap_resamples": resamples,
        "intervals": bootstrap.intervals(found, patients, resamples),
    }


def summary(metrics: Mapping[str, Any]) -> str:
    """A table for a terminal: each scalar and each count with its interval."""
    intervals = metrics["intervals"]
    rows = [
        (title, f"{metrics[key]:.3f}", "{:.3f} to {:.3f}".format(*intervals[key]))
        for key, title in report.TITLES.items()
    ]
    for label, titles in enumerate(_CELLS):
        for answer, title in enumerate(titles):
            low, high = intervals["confusion_matrix"][label][answer]
            count = metrics["confusion_matrix"][label][answer]
            rows.append((title, str(count), f"{low:.0f} to {high:.0f}"))
    width = max(len(title) for title, _, _ in rows)
    model, skipped = metrics["model"], metrics["skipped"]
    heading = [
        f"{model['name']} {model['version']}, {metrics['engine']} on {metrics['device']}",
        f"{metrics['n']} images of {metrics['patients']} patients"
        + (f"; broken and skipped: {skipped}" if skipped else ""),
        f"PNEUMONIA where probability >= {metrics['threshold']}",
        "",
        f"{'':<{width}}{'estimate':>10}   95 % interval",
    ]
    return "\n".join(
        heading + [f"{title:<{width}}{value:>10}   {span}" for title, value, span in rows]
    )


def _answered(
    probabilities: npt.NDArray[np.floating[Any]], labels: Labels, calibration: Calibration
) -> weighted.Answered:
    """What the service makes of probabilities `[N]`."""
    scores = np.asarray(probabilities, np.float64)
    called = (scores >= calibration.operating_point.threshold).astype(np.int64)
    truth = np.asarray(labels).astype(np.int64)
    return weighted.Answered(truth, scores, called, _prediction_sets(scores, calibration))


def _prediction_sets(
    scores: npt.NDArray[np.float64], calibration: Calibration
) -> npt.NDArray[np.bool_]:
    """Whether the service's prediction set holds NORMAL, and PNEUMONIA: `[N, 2]`."""
    sets = [calibration.conformal.prediction_set(score) for score in scores.tolist()]
    return np.array([[name in labels for name in labelled.LABELS] for labels in sets])
