"""Write a trained network as a version of the model store: calibrated, measured, described."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import typer

from app.inference.load import load
from app.inference.openvino_graph import GRAPH, WEIGHTS
from app.inference.silent_openvino import ov
from app.inference.tensorflow import TensorFlowEngine
from model_store.manifest import (
    FILE_NAME,
    Calibration,
    Distributions,
    Manifest,
    Provenance,
    Scaling,
)
from model_store.store import ModelVersion, files, sha256, versions
from training.data import balance, labelled
from training.data.datasets import find_all
from training.evaluation import calibrate, evaluate, explanations, reference
from training.evaluation.answers import infer, joined
from training.evaluation.measured import to_json
from training.export import card, openvino_ir
from training.export.looks import looks
from training.export.nodes import compute
from training.export.novelty import fit_density
from training.export.served import ServedModel
from training.fit import fine_tuning, lung_training, lungs, model

_BATCH = 32
_TOLERANCE = 0.02
_GRAPH_TOLERANCE = 0.03
_QUANTISED_BY = 256
# A third of the training images tell their density as well as all of them.
_DENSITY_STEP = 3
_UNSCALED = Scaling(temperature=1.0, bias=0.0)
_BOTH = "both"
_PACKAGES = ("keras", "numpy", "scikit-learn", "tensorflow")


class ExportError(Exception):
    """An export that was refused; the message says why."""


@dataclass(frozen=True)
class Origin:
    """How a network came to be.

    Attributes:
        backbone: a class of `keras.applications`.
        command: what trained it.
        seed: of the split, the initialisers and the order.
        about: Markdown for the model card.
        dice: of the lungs of held-out images, by part.
    """

    backbone: str
    command: str
    seed: int
    about: str = ""
    dice: Mapping[str, lung_training.Dice] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What marks the lungs, and what reads the field around them."""

    finder: keras.Model
    network: model.Network

    @property
    def parts(self) -> tuple[keras.Model, model.Network]:
        return self.finder, self.network


def export(run: Path, folder: Path, version: int | None = None, about: str = "") -> Path:
    """Calibrate the finished fit in `run` and write it as `folder/version`.

    Args:
        run: the directory of the fit.
        folder: the model's in the store, named after it.
        version: the next one, if not given.
        about: Markdown for the model card.

    Raises:
        RunError: `run` is not a finished fit.
        ExportError: the version exists, or the written model disagrees with the trained one.
    """
    config = fine_tuning.Config.read(run)
    weights = fine_tuning.weights(run)
    if version:
        _check_new(folder / str(version))
    lungs_run = Path(config.lungs)
    finder = lung_training.load(lungs_run)
    network = model.build(config.backbone, model.NO_WEIGHTS, config.dropout, config.seed)
    network.classifier.load_weights(weights)
    found = labelled.split(find_all(config.sets), config.seed)
    # Doubtful labels may train, but decide nothing of what is told.
    sure = {part: [s for s in samples if s.weight == 1] for part, samples in found.items()}
    kept = sure | {labelled.TRAIN: found[labelled.TRAIN]}
    parts = {part: labelled.load(samples, f"{part} images") for part, samples in kept.items()}
    dice = lung_training.measured(lungs_run)
    origin = Origin(config.backbone, fine_tuning.commands(run), config.seed, about, dice)
    return add_version(Trained(finder, network), parts, origin, folder, version)


def add_version(
    trained: Trained,
    parts: dict[str, labelled.Images],
    origin: Origin,
    folder: Path,
    version: int | None = None,
) -> Path:
    """Write `folder/version`: the SavedModel, its manifest and its model card.

    Args:
        trained: both networks.
        parts: the training, validation and calibration images.
        origin: what the manifest and the card tell of the training.
        folder: the model's, named after it.
        version: the next one, if not given.

    Raises:
        ExportError: the version exists, or the written model disagrees with the trained one.
    """
    version = version or max(versions(folder.parent, folder.name), default=0) + 1
    with new_version(folder, version) as path:
        calibration, float16_error = write(trained, parts, path)
        of_the_model = Manifest(
            name=folder.name,
            version=version,
            created=datetime.now(UTC).replace(microsecond=0),
            calibration=calibration,
            provenance=Provenance(
                backbone=origin.backbone,
                command=origin.command,
                seed=origin.seed,
                images={part: len(images) for part, images in parts.items()},
                versions={"python": sys.version.split()[0]} | {p: installed(p) for p in _PACKAGES},
                float16_error=float16_error,
            ),
            files=digests(path),
        )
        distributions = describe(ModelVersion(path, of_the_model), parts, origin)
        # Last, since it names every other file, the card and the figures too.
        manifest = of_the_model.model_copy(
            update={"files": digests(path), "reference": distributions}
        )
        (path / FILE_NAME).write_text(manifest.to_file())
    return folder / str(version)


def write(
    trained: Trained, parts: dict[str, labelled.Images], folder: Path
) -> tuple[Calibration, float]:
    """Write the SavedModel into `folder`, calibrated on the calibration part in several looks.

    Returns the calibration, and how far float16 moves a probability.

    Raises:
        ExportError: the written model disagrees with the trained one.
    """
    density = fit_density(_pooled(trained, parts[labelled.TRAIN].pixels[::_DENSITY_STEP]))
    held_out = parts[labelled.CALIBRATION]
    sets = np.array([sample.source for sample in held_out.samples])
    served = ServedModel(*trained.parts, _UNSCALED, density)
    answers = [infer(served, pixels) for pixels in looks(held_out.pixels)]
    logits = np.concatenate([found.logit for found in answers]).astype(np.float64)
    labels, sets, counts = (
        np.tile(values, len(answers))
        for values in (held_out.labels, sets, balance.weights(held_out.samples))
    )
    scaling = calibrate.scaling(logits, labels, counts)
    probabilities = calibrate.probability(logits, scaling)
    ServedModel(*trained.parts, scaling, density).save(folder)
    marked = lungs.mark(trained.finder, held_out.pixels)
    logit = trained.network.classifier.predict((held_out.pixels, marked), _BATCH, verbose=0)
    expected = calibrate.probability(logit.astype(np.float64), scaling)
    found = infer(TensorFlowEngine(folder), held_out.pixels).probability
    float16_error = _error(found, expected)
    # Written this way round, NaN is refused too.
    if not float16_error <= _TOLERANCE:
        raise ExportError(
            f"The written model's probabilities are up to {float16_error:.3f} off "
            "the trained one's."
        )
    _write_graph(folder, parts[labelled.TRAIN], held_out, expected)
    calibration = Calibration(
        images=len(held_out),
        patients=len(set(held_out.patients)),
        scaling=scaling,
        operating_point=calibrate.operating_point(probabilities, labels),
        conformal=calibrate.conformal(probabilities, labels, sets),
        novelty_limit=calibrate.novelty_limit(answers[0].novelty.astype(np.float64)),
        lungs=calibrate.lung_criteria(answers[0].lungs),
    )
    return calibration, float16_error


def describe(
    version: ModelVersion, parts: dict[str, labelled.Images], origin: Origin
) -> Distributions:
    """Measure a version on the held-out parts, and write metrics, figures and card into it.

    Returns how these parts are distributed, as the service sees them.
    """
    loaded = load(version)
    validation, calibration = parts[labelled.VALIDATION], parts[labelled.CALIBRATION]
    first, examined = evaluate.examine(
        version, loaded, validation, version.path, explanations.IMAGES
    )
    second, assessed = evaluate.ask(loaded, calibration, version.manifest.calibration)
    # So that a group that is too small in one part is told too.
    together = evaluate.assess(
        loaded,
        joined((first, second)),
        [*validation.samples, *calibration.samples],
        version.manifest.calibration,
    )
    by_part = {labelled.VALIDATION: examined, labelled.CALIBRATION: assessed, _BOTH: together}
    told = to_json(by_part | {"lungs": origin.dice})
    (version.path / evaluate.METRICS_FILE).write_text(json.dumps(told, indent=2) + "\n")
    card.write(version.path, version.manifest, examined, by_part, origin.dice, origin.about)
    answered = [(first, validation.pixels), (second, calibration.pixels)]
    return reference.of_answers(answered, version.manifest.calibration)


@contextmanager
def new_version(folder: Path, version: int) -> Iterator[Path]:
    """A directory that becomes `folder/version` when the block ends, and vanishes where it fails.

    Raises:
        ExportError: the version exists.
    """
    target = folder / str(version)
    _check_new(target)
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder))
    try:
        yield path
        path.chmod(0o755)
        try:
            # A directory does not replace one that another export has filled meanwhile.
            path.rename(target)
        except OSError:
            _check_new(target)
            raise
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _check_new(target: Path) -> None:
    if target.exists():
        raise ExportError(f"{target} exists; a version is never overwritten.")


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file under `folder`, by its path there."""
    return {file: sha256(folder / file) for file in sorted(files(folder))}


def _write_graph(
    folder: Path, train: labelled.Images, held_out: labelled.Images, expected: calibrate.Floats
) -> None:
    """Write OpenVINO's graph, with as much of it in 8 bits as leaves its answers what they are.

    If none does, CPUs take the SavedModel itself.
    """
    few = train.pixels[:: -(-len(train) // _QUANTISED_BY)]
    for largest in openvino_ir.SIDES:
        if not openvino_ir.write(folder, few, largest):
            return
        graph = ov.Core().read_model(folder / GRAPH)
        probability = graph.output("probability")
        (found,) = compute(graph, [probability], held_out.pixels)
        error = _error(found, expected)
        if error <= _GRAPH_TOLERANCE:
            return
        what = f"with maps of up to {largest} x {largest} in 8 bits" if largest else "in floats"
        typer.echo(f"OpenVINO's graph {what} is up to {error:.3f} off", err=True)
    typer.echo("left out OpenVINO's graph", err=True)
    (folder / GRAPH).unlink()
    (folder / WEIGHTS).unlink()


def _error(found: npt.NDArray[np.float32], expected: calibrate.Floats) -> float:
    """How far probabilities are off those expected, at most."""
    return float(np.abs(found - expected).max())


def _pooled(trained: Trained, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The features of the lungs, `[N, channels]`."""
    network = trained.network
    pooled = []
    for start in range(0, len(images), _BATCH):
        pixels = images[start : start + _BATCH]
        marked = lungs.mark(trained.finder, pixels).astype(np.float32) / 255
        shown, cells, _ = network.view(pixels.astype(np.float32), marked)
        features = network.backbone.predict_on_batch(shown)
        pooled.append(keras.ops.convert_to_numpy(network.pooling(features, cells)))
    return np.concatenate(pooled)
