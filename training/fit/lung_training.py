"""Train the lung finder in two rounds, resuming wherever a kill left it.

The first round learns from masks that people drew. The second one also learns from what the first
one answers to sets in which nobody drew any, where it is sure. Validation and calibration patients,
split off as `labelled.split` does for the classifier too, take part in neither.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt
import typer

from training.command import command
from training.data import labelled, negatives
from training.data.datasets import find_all, parse
from training.data.datasets import lungs as masks
from training.fit import curves, lungs
from training.fit.distortion import Masked, MaskedBatches
from training.fit.resuming import BACKUP, LOG, rewind, seed

WEIGHTS = "lungs.weights.h5"
METRICS = "metrics.json"
ROUNDS = "1-drawn", "2-all"

_BATCH_SIZE = 16
_WARM_UP = 100
_AVERAGING = 0.99
# What the first round must be sure of for the second one to learn it.
_LEAST_CERTAINTY = 0.93
_LEAST_SHARE = 0.1

Drawn = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Config:
    """All that decides the outcome."""

    sets: tuple[str, ...]
    masks: str
    epochs: int
    more_epochs: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class Dice:
    """The Dice coefficients of so many held-out images; of 100 images 99 exceed the lowest."""

    images: int
    mean: float
    median: float
    lowest_percent: float


def fit(config: Config, run: Path) -> Path:
    """Train, or resume the training in `run`; returns the path of the weights.

    Raises:
        DataError: unusable images or masks, or `run` holds another fit.
    """
    _claim(run, config)
    parts = labelled.split(find_all(config.sets), config.seed)
    found = masks.find(Path(config.masks), _children(config.sets))
    marked = {sample.path: mask for sample, mask in found}
    train, _ = _masked(parts[labelled.TRAIN], marked, "training images with masks")
    nothing = _without_lungs(config.seed + 1)
    finder = lungs.build(config.seed)
    _round(finder, train + nothing, config.epochs, config, run / ROUNDS[0])
    if others := _unmarked(parts[labelled.TRAIN], marked):
        answered = _answered(finder, labelled.load(others, "images without masks"))
        rate = config.learning_rate / 2
        every = train + nothing + answered
        # A model of its own: one that resumed remembers its epoch, and would begin there again.
        first, finder = finder, lungs.build(config.seed)
        finder.set_weights(first.get_weights())
        _round(finder, every, config.more_epochs, config, run / ROUNDS[1], rate)
    dice = {
        part: asdict(_measured(finder, *_masked(parts[part], marked, f"{part} images with masks")))
        for part in (labelled.VALIDATION, labelled.CALIBRATION)
    }
    (run / METRICS).write_text(json.dumps(dice, indent=2) + "\n")
    typer.echo(f"Dice coefficient: {json.dumps(dice)}")
    # What makes the run a finished one comes last, and whole.
    fresh = run / "new.weights.h5"
    finder.save_weights(fresh)
    fresh.replace(run / WEIGHTS)
    return run / WEIGHTS


def measured(run: Path) -> dict[str, Dice]:
    """The Dice coefficients of a finished run's held-out images, by part of the split."""
    found = json.loads((run / METRICS).read_text())
    return {part: Dice(**one) for part, one in found.items()}


def load(run: Path) -> keras.Model:
    """The finder of a finished run.

    Raises:
        DataError: the run has not finished.
    """
    if not (run / WEIGHTS).exists():
        raise labelled.DataError(f"{run} holds no finished lung finder; see `lungs --help`.")
    finder = lungs.build()
    finder.load_weights(run / WEIGHTS)
    return finder


def _claim(run: Path, config: Config) -> None:
    path = run / "config.json"
    wanted = json.loads(json.dumps(asdict(config)))
    if path.exists():
        if json.loads(path.read_text()) != wanted:
            raise labelled.DataError(f"{run} holds another fit; choose another --run.")
        typer.echo(f"resuming {run}")
        return
    run.mkdir(parents=True, exist_ok=True)
    (run / "command.txt").write_text(command() + "\n")
    # What makes the directory a run comes last, and whole.
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(wanted, indent=2) + "\n")
    fresh.replace(path)


def _children(specs: Sequence[str]) -> Path | None:
    """The folder of *Chest X-Ray Images (Pneumonia)*, whose images V7's masks are of."""
    folders = dict(parse(spec) for spec in specs)
    return folders.get("kermany")


def _masked(
    samples: Sequence[labelled.Sample], marked: dict[Path, Path], title: str
) -> tuple[Masked, list[Drawn]]:
    """The images that have a mask: as the finder learns them, and as people drew the masks."""
    chosen = [sample for sample in samples if sample.path in marked]
    if not chosen:
        raise labelled.DataError(f"{title}: nobody drew a mask for any of {len(samples):,} images.")
    images = labelled.load(chosen, title)
    drawn = [masks.read(marked[sample.path]) for sample in images.samples]
    size = lungs.SIDE, lungs.SIDE
    small = [cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in drawn]
    return Masked(images.pixels, np.stack(small)[..., np.newaxis]), drawn


def _without_lungs(seed: int) -> Masked:
    """Images in which there is nothing to mark."""
    pixels = np.concatenate(list(negatives.unrelated(seed).values()))
    return Masked(pixels, np.zeros((len(pixels), lungs.SIDE, lungs.SIDE, 1), np.float32))


def _unmarked(
    samples: Sequence[labelled.Sample], marked: dict[Path, Path]
) -> list[labelled.Sample]:
    """The images of the sets in which nobody drew a mask."""
    known = {sample.source for sample in samples if sample.path in marked}
    return [sample for sample in samples if sample.source not in known]


def _answered(finder: keras.Model, images: labelled.Images) -> Masked:
    """What a finder is sure of in images as they are."""
    maps = lungs.mark(finder, images.pixels)
    sure = (lungs.certainty(maps) >= _LEAST_CERTAINTY) & (lungs.share(maps) >= _LEAST_SHARE)
    typer.echo(f"sure of the lungs in {sure.sum():,} of {len(images):,} images without masks")
    return Masked(images.pixels[sure], maps[sure].astype(np.float32) / np.float32(255))


def _round(
    finder: keras.Model,
    images: Masked,
    epochs: int,
    config: Config,
    folder: Path,
    learning_rate: float | None = None,
) -> None:
    """Train on, or take over what an earlier call trained; the weights are averaged over steps."""
    done = folder / WEIGHTS
    if not done.exists():
        folder.mkdir(exist_ok=True)
        rewind(folder)
        batches = MaskedBatches(images, _BATCH_SIZE, seed(config.seed, folder))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            epochs * len(batches) - _WARM_UP,
            warmup_target=learning_rate or config.learning_rate,
            warmup_steps=_WARM_UP,
        )
        optimizer = keras.optimizers.AdamW(
            rate, weight_decay=1e-4, use_ema=True, ema_momentum=_AVERAGING
        )
        # Built now, so that a round that was killed after its last epoch has its averages back.
        optimizer.build(finder.trainable_variables)
        finder.compile(optimizer, lungs.loss)
        finder.fit(
            batches,
            epochs=epochs,
            verbose=2,
            callbacks=[
                keras.callbacks.CSVLogger(str(folder / LOG), append=True),
                # It stays until the weights are there, so that no kill loses a finished round.
                keras.callbacks.BackupAndRestore(
                    str(folder / BACKUP), double_checkpoint=True, delete_checkpoint=False
                ),
                curves.Curves(folder.parent, ROUNDS),
            ],
        )
        optimizer.finalize_variable_values(finder.trainable_variables)
        fresh = folder / "new.weights.h5"
        finder.save_weights(fresh)
        fresh.replace(done)
        shutil.rmtree(folder / BACKUP, ignore_errors=True)
    curves.write(folder.parent, ROUNDS)
    finder.load_weights(done)


def _measured(finder: keras.Model, images: Masked, drawn: list[Drawn]) -> Dice:
    """The Dice coefficients of held-out images."""
    maps = lungs.mark(finder, images.pixels)[..., 0].astype(np.float32) / 255
    found = np.array([lungs.dice(m, mask) for m, mask in zip(maps, drawn, strict=True)])
    return Dice(
        images=len(found),
        mean=float(found.mean()),
        median=float(np.median(found)),
        lowest_percent=float(np.quantile(found, 0.01)),
    )
