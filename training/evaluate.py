"""Measure an exported model the way the service runs it, each figure with its uncertainty.

The interval of a figure is the 95 % percentile interval of a bootstrap that draws patients, not
images. One patient often has several images, which resemble each other, and intervals from drawing
images would be too narrow (Rutter 2000, Academic Radiology 7(6):413, on patient-clustered accuracy;
Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x, on drawing clusters). Patients are drawn
within strata: those with NORMAL images only, with PNEUMONIA images only, and with both. So every
resample has both labels and the data's case mix, as in pROC (Robin 2011,
doi:10.1186/1471-2105-12-77); the intervals do not cover a change of case mix.

A percentile interval cannot leave the data: a figure of exactly 1 gets `[1, 1]`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
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

from app.inference.engine import Answers, Choice, Engine, load
from model_store.store import ModelVersion
from training import data, figures

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer[Any]] | npt.NDArray[np.floating[Any]]

RESAMPLES = 2_000
COVERAGE = 0.95
METRICS_FILE = "metrics.json"
FIGURES_FOLDER = "figures"
TITLES = {
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}

_SEED = 0
_RESAMPLES_AT_ONCE = 100
_CELLS = (("true negatives", "false positives"), ("false negatives", "true positives"))


def evaluate(model: ModelVersion, choice: Choice, folder: Path, out: Path) -> dict[str, Any]:
    """Measure a model on `folder/{NORMAL,PNEUMONIA}/*`; write metrics and figures into `out`.

    Returns what `out/metrics.json` holds.

    Raises:
        DataError: the folder, or what can be read of it, lacks images of a label.
        ModelError: the engine cannot load the model.
    """
    samples = data.find(folder)
    out.mkdir(parents=True, exist_ok=True)
    engine = load(model, choice)
    images = data.load(samples, "images")
    threshold = model.manifest.calibration.operating_point.threshold
    found, metrics = ask(engine, images, threshold)
    metrics |= {
        "model": {"name": model.manifest.name, "version": model.manifest.version},
        "skipped": len(samples) - len(images),
    }
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    drawings = out / FIGURES_FOLDER
    figures.write(drawings, found.probability, images.labels, metrics)
    gallery = figures.gallery(images.samples, found.probability, found.cam, threshold)
    figures.save(gallery, drawings / figures.GALLERY)
    return metrics


def ask(engine: Engine, images: data.Images, threshold: float) -> tuple[Answers, dict[str, Any]]:
    """The engine's answers to all images, and what `measure` says of them and what gave them."""
    found = answers(engine, images)
    metrics = measure(found.probability, images.labels, images.patients, threshold)
    return found, metrics | {"engine": engine.name, "device": engine.device}


def answers(engine: Engine, images: data.Images) -> Answers:
    """The engine's answers to all images, in their order, with a progress bar."""
    starts = range(0, len(images), engine.max_batch)
    with typer.progressbar(starts, label=f"answers of {engine.name}") as batches:
        parts = [engine.infer(images.pixels[at : at + engine.max_batch]) for at in batches]
    return Answers(
        *(
            np.concatenate([getattr(part, output) for part in parts])
            for output in ("logit", "probability", "cam", "novelty")
        )
    )


def measure(
    probabilities: npt.NDArray[np.floating[Any]],
    labels: Labels,
    patients: Sequence[str],
    threshold: float,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Compute every figure and its interval, as plain values that JSON can hold.

    Args:
        probabilities: `[N]`, P(PNEUMONIA).
        labels: `[N]` of 0 and 1, indices of `data.LABELS`.
        patients: whose image each is, N.
        threshold: PNEUMONIA is answered where probability >= threshold.
        resamples: of the bootstrap, which is seeded: the same input gives the same intervals.

    Returns:
        `accuracy`, `roc_auc`, `pr_auc` (average precision), `sensitivity` and `specificity` (the
        recall of PNEUMONIA and of NORMAL), `confusion_matrix` `[[tn, fp], [fn, tp]]`,
        scikit-learn's `classification_report`, `n` images, `patients`, `threshold`,
        `bootstrap_resamples`, and `intervals`: the seven figures once more, with `[low, high]` in
        the place of each number.

    Raises:
        DataError: there are not images of both labels.
    """
    truth = np.asarray(labels).astype(np.int64)
    scores = np.asarray(probabilities, np.float64)
    for label, name in enumerate(data.LABELS):
        if label not in truth:
            raise data.DataError(f"To measure takes images of both labels; there are no {name}.")
    called = (scores >= threshold).astype(np.int64)
    report = classification_report(
        truth, called, target_names=data.LABELS, output_dict=True, zero_division=0
    )
    return {
        "accuracy": report["accuracy"],
        "roc_auc": float(roc_auc_score(truth, scores)),
        "pr_auc": float(average_precision_score(truth, scores)),
        "sensitivity": report["PNEUMONIA"]["recall"],
        "specificity": report["NORMAL"]["recall"],
        "confusion_matrix": confusion_matrix(truth, called).tolist(),
        "classification_report": report,
        "n": len(truth),
        "patients": len(set(patients)),
        "threshold": threshold,
        "bootstrap_resamples": resamples,
        "intervals": _intervals(_bootstrap(patients, truth, scores, called, resamples)),
    }


def summary(metrics: Mapping[str, Any]) -> str:
    """A table for a terminal: each scalar and each count with its interval."""
    intervals = metrics["intervals"]
    rows = [
        (title, f"{metrics[key]:.3f}", "{:.3f} to {:.3f}".format(*intervals[key]))
        for key, title in TITLES.items()
    ]
    for label, titles in enumerate(_CELLS):
        for answer, title in enumerate(titles):
            low, high = intervals["confusion_matrix"][label][answer]
            count = metrics["confusion_matrix"][label][answer]
            rows.append((title, str(count), f"{low:.0f} to {high:.0f}"))
    model, skipped = metrics["model"], metrics["skipped"]
    heading = [
        f"{model['name']} {model['version']}, {metrics['engine']} on {metrics['device']}",
        f"{metrics['n']} images of {metrics['patients']} patients"
        + (f"; broken and skipped: {skipped}" if skipped else ""),
        f"PNEUMONIA where probability >= {metrics['threshold']}",
        "",
        f"{'':<16}{'estimate':>10}   95 % interval",
    ]
    return "\n".join(heading + [f"{title:<16}{value:>10}   {span}" for title, value, span in rows])


def _bootstrap(
    patients: Sequence[str], truth: Integers, scores: Floats, called: Integers, resamples: int
) -> dict[str, Any]:
    """Every figure over the resamples: what `intervals` will hold, of arrays `[resamples, ...]`."""
    areas, matrices = [], []
    for weights in _draws(patients, truth, resamples):
        areas.append(_areas(weights, scores, truth))
        matrices.append(_matrices(weights, truth, called))
    roc_auc, pr_auc = np.concatenate(areas, axis=1)
    matrix = np.concatenate(matrices)
    report = _reports(matrix)
    return {
        "accuracy": report["accuracy"],
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "sensitivity": report["PNEUMONIA"]["recall"],
        "specificity": report["NORMAL"]["recall"],
        "confusion_matrix": matrix,
        "classification_report": report,
    }


def _draws(patients: Sequence[str], truth: Integers, resamples: int) -> Iterator[Floats]:
    """How often each image is drawn, `[at most 100, N]` at a time."""
    random = np.random.default_rng(_SEED)
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    has_label = np.stack([np.bincount(owner, truth == label) > 0 for label in (0, 1)])
    stratum = has_label[0] + 2 * has_label[1]
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = np.zeros((rows, len(stratum)))
        for value in np.unique(stratum):
            members = np.flatnonzero(stratum == value)
            share = np.full(len(members), 1 / len(members))
            drawn[:, members] = random.multinomial(len(members), share, size=rows)
        yield drawn[:, owner]


def _areas(weights: Floats, scores: Floats, truth: Integers) -> Floats:
    """ROC AUC and average precision for each row of `weights` `[R, N]`: `[2, R]`.

    What scikit-learn computes with `sample_weight`, for all rows at once: the trapezoids under the
    ROC curve, and the sum of precision times the step in recall, over the distinct scores.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    ordered, positive = weights[:, order], truth[order] == 1
    true, false = (
        np.pad(np.cumsum(ordered * label, axis=1)[:, last_of_score], ((0, 0), (1, 0)))
        for label in (positive, ~positive)
    )
    step = np.diff(true, axis=1)
    beneath = np.diff(false, axis=1) * (true[:, :-1] + step / 2)
    precision = _ratio(true, true + false)[:, 1:]
    positives, negatives = true[:, -1], false[:, -1]
    return np.stack(
        [beneath.sum(1) / (positives * negatives), (step * precision).sum(1) / positives]
    )


def _matrices(weights: Floats, truth: Integers, called: Integers) -> Floats:
    """The confusion matrix for each row of `weights` `[R, N]`: `[R, 2, 2]`."""
    cells = np.eye(4)[2 * truth + called]
    return (weights @ cells).reshape(-1, 2, 2)


def _reports(matrix: Floats) -> dict[str, Any]:
    """scikit-learn's classification report of `[R, 2, 2]`, with arrays `[R]` for numbers."""
    support, predicted = matrix.sum(2), matrix.sum(1)
    hits = np.diagonal(matrix, axis1=1, axis2=2)
    scores = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "f1-score": _ratio(2 * hits, support + predicted),
    }
    total = support.sum(1)
    by_label = scores | {"support": support}
    weighted = {key: (value * support).sum(1) / total for key, value in scores.items()}
    return {
        **{name: {k: v[:, i] for k, v in by_label.items()} for i, name in enumerate(data.LABELS)},
        "accuracy": hits.sum(1) / total,
        "macro avg": {key: value.mean(1) for key, value in scores.items()} | {"support": total},
        "weighted avg": weighted | {"support": total},
    }


def _ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, and 0 where there is nothing to divide."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _intervals(drawn: Any) -> Any:
    """The percentile interval in the place of each array of a nested dict."""
    if isinstance(drawn, Mapping):
        return {key: _intervals(value) for key, value in drawn.items()}
    tails = 100 * (1 - COVERAGE) / 2
    return np.moveaxis(np.percentile(drawn, (tails, 100 - tails), axis=0), 0, -1).tolist()
