"""Measure an exported model the way the service runs it, each figure with its uncertainty."""

import json
from collections.abc import Sequence
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
from training.evaluation.measured import (
    TITLES,
    Assessment,
    Evaluation,
    Examination,
    Model,
    Performance,
    to_json,
)

Labels = npt.NDArray[np.integer[Any]] | npt.NDArray[np.floating[Any]]

RESAMPLES = 2_000
METRICS_FILE = "metrics.json"

_SPOILT = 100
_DRAWING_SEED = 0
_GRAYS, _COLOURS = 32, 64
_CELLS = (("true negatives", "false positives"), ("false negatives", "true positives"))


def evaluate(
    model: ModelVersion, engine: Engine, samples: list[labelled.Sample], out: Path, explained: int
) -> Evaluation:
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
    answers, examined = examine(model, engine, images, out, explained)
    found = Evaluation(
        **vars(examined),
        model=Model(model.manifest.name, model.manifest.version),
        command=command(),
        skipped=len(samples) - len(images),
    )
    (out / METRICS_FILE).write_text(json.dumps(to_json(found), indent=2, allow_nan=False) + "\n")
    threshold = model.manifest.calibration.operating_point.threshold
    examples = gallery.draw(images.samples, answers, threshold)
    save(examples, out / report.FIGURES_FOLDER / gallery.FILE_NAME)
    (out / report.FILE_NAME).write_text(report.page(found, out))
    return found


def examine(
    model: ModelVersion, engine: Engine, images: labelled.Images, out: Path, explained: int
) -> tuple[Answers, Examination]:
    """The answers, and all that is measured of a model on labelled images.

    Its figures are drawn in `out/figures`. Explanations are checked where `explained` is not 0 and
    the model answers both labels.
    """
    calibration = model.manifest.calibration
    threshold = calibration.operating_point.threshold
    found, assessed = ask(engine, images, calibration)
    drawings = out / report.FIGURES_FOLDER
    figures.write(drawings, found.logit, found.probability, images.labels, assessed)
    unrelated = negatives.unrelated(_DRAWING_SEED)
    spoilt = negatives.spoilt(images.pixels[:: max(1, len(images) // _SPOILT)], _DRAWING_SEED)
    shifted = shift.measure(engine, images, found, threshold)
    novelty = novelty_report.measure(engine, found, unrelated | spoilt, calibration)
    taken, sheet = shift.figure(engine, threshold), novelty_report.contact_sheet(unrelated)
    save(taken, drawings / shift.FILE_NAME, _GRAYS)
    save(sheet, drawings / novelty_report.FILE_NAME, _GRAYS)
    checks = None
    if explained:
        try:
            checks = explanations.check(model, engine, images, explained)
        except labelled.DataError as error:
            typer.echo(f"the explanations were not checked: {error}", err=True)
        else:
            save(explanations.figure(checks), drawings / explanations.FILE_NAME, _COLOURS)
    examined = Examination(**vars(assessed), shift=shifted, novelty=novelty, explanations=checks)
    return found, examined


def ask(
    engine: Engine, images: labelled.Images, calibration: Calibration
) -> tuple[Answers, Assessment]:
    """The engine's answers to all images, and what they are worth."""
    found = infer(engine, images.pixels, f"answers of {engine.name}")
    return found, assess(engine, found, images.samples, calibration)


def assess(
    engine: Engine, found: Answers, samples: Sequence[labelled.Sample], calibration: Calibration
) -> Assessment:
    """What the engine's answers to N samples are worth."""
    labels = np.array([sample.label for sample in samples])
    patients = [sample.patient for sample in samples]
    performance = measure(found.probability, labels, patients, calibration)
    strange = suitability.judge(found, calibration)
    answered = _answered(found.probability, labels, calibration)
    return Assessment(
        **vars(performance),
        engine=engine.name,
        device=engine.device,
        evidence=evidence.measure(found, answered.called == 1, strange.without_lungs, patients),
        strange=suitability.with_intervals(strange, patients),
        groups=groups.measure(answered, strange, samples),
    )


def measure(
    probabilities: npt.NDArray[np.floating[Any]],
    labels: Labels,
    patients: Sequence[str],
    calibration: Calibration,
    resamples: int = RESAMPLES,
) -> Performance:
    """Compute every figure and its interval.

    Args:
        probabilities: `[N]`, P(PNEUMONIA).
        labels: `[N]` of 0 and 1, indices of `labelled.LABELS`.
        patients: whose image each is, N.
        calibration: its threshold decides the answers, its quantiles the prediction sets.
        resamples: of the bootstrap, which is seeded: the same input gives the same intervals.

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
    values = {
        "accuracy": by_label["accuracy"],
        "roc_auc": float(roc_auc_score(truth, scores)),
        "pr_auc": float(average_precision_score(truth, scores)),
        "sensitivity": by_label["PNEUMONIA"]["recall"],
        "specificity": by_label["NORMAL"]["recall"],
        **{key: float(value) for key, (value,) in trust.items()},
        "confusion_matrix": confusion_matrix(truth, called).tolist(),
        "classification_report": by_label,
    }
    return Performance(
        **bootstrap.estimates(values, found, patients, resamples),
        n=len(truth),
        patients=len(set(patients)),
        threshold=calibration.operating_point.threshold,
        bootstrap_resamples=resamples,
    )


def summary(found: Evaluation) -> str:
    """A table for a terminal: each scalar and each count with its interval."""
    rows = []
    for key, title in TITLES.items():
        one = getattr(found, key)
        rows.append((title, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"))
    for titles, cells in zip(_CELLS, found.confusion_matrix, strict=True):
        for title, count in zip(titles, cells, strict=True):
            rows.append((title, str(count.value), f"{count.low:.0f} to {count.high:.0f}"))
    width = max(len(title) for title, _, _ in rows)
    heading = [
        f"{found.model.name} {found.model.version}, {found.engine} on {found.device}",
        f"{found.n} images of {found.patients} patients"
        + (f"; broken and skipped: {found.skipped}" if found.skipped else ""),
        f"PNEUMONIA where probability >= {found.threshold}",
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
