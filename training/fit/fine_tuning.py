"""Fine-tune the network in three phases, resuming wherever a kill left it.

A run's directory holds `config.json`, the curves so far and, for each phase, the per-epoch log,
Keras' backup of the training state, and the best weights, which are complete once the log names
their epoch. What comes out of it is `final.weights.h5`.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import typer

from training.command import command
from training.data import balance, labelled
from training.data.datasets import find_all
from training.fit import curves, lung_training, lungs, model, normalisation
from training.fit.batches import Batches, TrainingBatches
from training.fit.resuming import BACKUP, LOG, Rows, log, rewind, seed

# The area, not the loss: scaling the logits later makes good what shifts or stretches them all.
MONITOR, MODE = "val_auc", "max"
_PATIENCE = 4
_SMALL_SIDE = 128
_AVERAGING = 0.99
# Images that the statistics of batch normalisation are taken of: more move them no further.
_STATISTICS = 2_048
_WEIGHTS = "final.weights.h5"


class RunError(Exception):
    """A run that cannot be started or used; the message says why."""


@dataclass(frozen=True)
class Config:
    """All that decides the outcome of a fit."""

    sets: tuple[str, ...]
    lungs: str
    backbone: str
    weights: str
    dropout: float
    batch_size: int
    head_epochs: int
    head_learning_rate: float
    small_epochs: int
    epochs: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    precision: str
    seed: int
    start: str | None = None

    @classmethod
    def read(cls, run: Path) -> "Config":
        """Read a run's `config.json`.

        Raises:
            RunError: there is none.
        """
        try:
            found = json.loads((run / "config.json").read_text())
        except FileNotFoundError:
            raise RunError(f"{run} is not the directory of a `fit`.") from None
        return cls(**found | {"sets": tuple(found["sets"])})


@dataclass(frozen=True)
class Phase:
    """A part of the training with its own learning rate, on fields of `side` x `side`."""

    name: str
    side: int
    train_all_layers: bool
    epochs: int
    learning_rate: float


class AveragedCheckpoint(keras.callbacks.ModelCheckpoint):
    """Saves the averaged weights, which are those that were validated.

    Args:
        swap: gives validation the averaged weights, and takes them back.
        arguments: ModelCheckpoint's.
        options: ModelCheckpoint's.
    """

    def __init__(
        self, swap: keras.callbacks.SwapEMAWeights, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._swap = swap

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._swap.on_test_begin()
        super().on_epoch_end(epoch, logs)
        self._swap.on_test_end()


class Recall(keras.callbacks.Callback):
    """Gives EarlyStopping and ReduceLROnPlateau back what a kill made them forget.

    BackupAndRestore keeps weights, optimizer and epoch, but not the state of other callbacks.
    """

    def __init__(self, rows: Rows, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        super().__init__()
        self._rows = rows
        self._callbacks = callbacks

    def on_train_begin(self, logs: object = None) -> None:
        for callback in self._callbacks if self._rows else ():
            callback.best = max(_monitored(self._rows))
            callback.wait = _epochs_since_best(self._rows)


def fit(config: Config, run: Path) -> Path:
    """Train, or resume the training in `run`; returns the path of the weights.

    Raises:
        RunError: `run` belongs to a fit with another configuration.
        DataError, WeightsError: unusable images or weights.
    """
    _claim(run, config)
    finder = lung_training.load(Path(config.lungs))
    parts = labelled.split(find_all(config.sets), config.seed)
    train = labelled.load(parts[labelled.TRAIN], "training images")
    validation = labelled.load(parts[labelled.VALIDATION], "validation images")
    marked = [lungs.mark(finder, images.pixels) for images in (train, validation)]
    counts = [balance.weights(images.samples) for images in (train, validation)]
    best = weights(Path(config.start)) if config.start else None
    # A fit that goes on from others draws what they have not drawn.
    drawn = config.seed + len(_fits_before(config))
    names = [phase.name for phase in phases(config)]
    for phase in phases(config):
        phase_seed = seed(drawn, run / phase.name)
        network = model.build(
            config.backbone,
            model.NO_WEIGHTS if config.start else config.weights,
            config.dropout,
            phase_seed,
            config.precision,
            phase.side,
        )
        if best:
            network.classifier.load_weights(best)
        batches = (
            TrainingBatches(train, marked[0], config.batch_size, counts[0], phase_seed),
            Batches(validation, marked[1], config.batch_size, counts[1]),
        )
        best = _train(network, phase, config, batches, run / phase.name)
        curves.write(run, names)
    network.classifier.load_weights(best)
    return _settle(network, train, marked[0], config, run)


def phases(config: Config) -> list[Phase]:
    """First what starts untrained, then the whole network at a lower rate.

    Most of it on smaller fields: three epochs in the time of one. In a fit that goes on from
    another one, nothing starts untrained.
    """
    head = Phase("1-head", _SMALL_SIDE, False, config.head_epochs, config.head_learning_rate)
    small = Phase("2-small", _SMALL_SIDE, True, config.small_epochs, config.learning_rate)
    last = Phase("3-all", model.FIELD_SIDE, True, config.epochs, config.learning_rate)
    before = [head] if config.start is None else []
    return [*before, *([small] if config.small_epochs else []), last]


def weights(run: Path) -> Path:
    """The weights of a finished run.

    Raises:
        RunError: the fit has not finished.
    """
    path = run / _WEIGHTS
    if not path.exists():
        raise RunError(f"The fit in {run} has not finished; run it again and it resumes.")
    return path


def commands(run: Path) -> str:
    """What trained the lung finder, the fits that this one went on from, and this one, in lines."""
    config = Config.read(run)
    runs = [Path(config.lungs), *_fits_before(config), run]
    return "\n".join(_command(one) for one in runs)


def _fits_before(config: Config) -> list[Path]:
    """The runs that a fit went on from, the first of them first."""
    if config.start is None:
        return []
    start = Path(config.start)
    return [*_fits_before(Config.read(start)), start]


def _command(run: Path) -> str:
    return (run / "command.txt").read_text().strip()


def _settle(
    network: model.Network, images: labelled.Images, marked: lungs.Gray, config: Config, run: Path
) -> Path:
    """Write the weights with the statistics of the images as they are; returns the file."""
    path = run / _WEIGHTS
    if not path.exists():
        order = np.random.default_rng(config.seed).permutation(len(images))[:_STATISTICS]
        shown = images.pixels[order], marked[order]
        normalisation.estimate(network, shown, config.batch_size)
        fresh = run / "new.weights.h5"
        network.classifier.save_weights(fresh)
        fresh.replace(path)
    return path


def _claim(run: Path, config: Config) -> None:
    path = run / "config.json"
    if path.exists():
        if Config.read(run) != config:
            raise RunError(f"{run} holds a fit with another configuration; choose another --run.")
        typer.echo(f"resuming {run}")
        return
    run.mkdir(parents=True, exist_ok=True)
    (run / "command.txt").write_text(command() + "\n")
    # What makes the directory a run comes last, and whole.
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(config), indent=2) + "\n")
    fresh.replace(path)


def _train(
    network: model.Network,
    phase: Phase,
    config: Config,
    batches: tuple[TrainingBatches, Batches],
    folder: Path,
) -> Path:
    classifier = network.classifier
    if not (folder / "done").exists():
        folder.mkdir(exist_ok=True)
        network.freeze_pretrained(not phase.train_all_layers)
        classifier.compile(
            optimizer=keras.optimizers.AdamW(
                phase.learning_rate,
                weight_decay=config.weight_decay,
                use_ema=True,
                ema_momentum=_AVERAGING,
            ),
            loss=keras.losses.BinaryCrossentropy(
                from_logits=True, label_smoothing=config.label_smoothing
            ),
            weighted_metrics=[keras.metrics.AUC(2_000, from_logits=True, name="auc")],
        )
        trained = sum(int(np.prod(weight.shape)) for weight in classifier.trainable_weights)
        typer.echo(f"{phase.name}: {trained:,} weights are trained")
        train, validation = batches
        if not _ended(log(folder), phase):
            classifier.fit(
                train,
                validation_data=validation,
                epochs=phase.epochs,
                callbacks=_callbacks(folder, [one.name for one in phases(config)]),
                verbose="auto",
            )
        shutil.rmtree(folder / BACKUP, ignore_errors=True)
        (folder / "done").touch()
    return _best(folder)


def _ended(rows: Rows, phase: Phase) -> bool:
    """Whether the last logged epoch was the phase's last: a kill may have come before `done`."""
    return bool(rows) and (
        int(rows[-1]["epoch"]) + 1 >= phase.epochs or _epochs_since_best(rows) >= _PATIENCE
    )


def _callbacks(folder: Path, names: Sequence[str]) -> list[keras.callbacks.Callback]:
    rows = rewind(folder)
    stopping = keras.callbacks.EarlyStopping(MONITOR, mode=MODE, patience=_PATIENCE, verbose=1)
    plateau = keras.callbacks.ReduceLROnPlateau(
        MONITOR, mode=MODE, factor=0.3, patience=1, verbose=1
    )
    swap = keras.callbacks.SwapEMAWeights()
    # The order is what makes a kill harmless: weights, then the log that names them, then the
    # backup that moves the training on.
    return [
        stopping,
        plateau,
        swap,
        AveragedCheckpoint(
            swap,
            str(folder / "epoch-{epoch:03d}.weights.h5"),
            MONITOR,
            mode=MODE,
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=max(_monitored(rows), default=None),
        ),
        keras.callbacks.CSVLogger(str(folder / LOG), append=True),
        keras.callbacks.BackupAndRestore(str(folder / BACKUP), double_checkpoint=True),
        curves.Curves(folder.parent, names),
        Recall(rows, (stopping, plateau)),
    ]


def _monitored(rows: Rows) -> list[float]:
    return [float(row[MONITOR]) for row in rows]


def _epochs_since_best(rows: Rows) -> int:
    return len(rows) - 1 - int(np.argmax(_monitored(rows)))


def _best(folder: Path) -> Path:
    """The weights of the epoch with the largest area on the validation images."""
    row = max(log(folder), key=lambda row: float(row[MONITOR]))
    return folder / f"epoch-{int(row['epoch']) + 1:03d}.weights.h5"
