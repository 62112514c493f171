"""Fine-tune the network in two phases, resuming wherever a kill left it.

A run's directory holds `config.json` and, for each phase, the per-epoch log, Keras' backup of the
training state, and the best weights, which are complete once the log names their epoch.
"""

import csv
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import keras
import numpy as np
import numpy.typing as npt
import typer

from training import data, model

MONITOR = "val_loss"
_PATIENCE = 4

Rows = list[dict[str, str]]


class RunError(Exception):
    """A run that cannot be started or used; the message says why."""


@dataclass(frozen=True)
class Config:
    """All that decides the outcome of a fit."""

    data: str
    backbone: str
    weights: str
    dropout: float
    batch_size: int
    head_epochs: int
    head_learning_rate: float
    epochs: int
    learning_rate: float
    weight_decay: float
    precision: str
    seed: int

    @classmethod
    def read(cls, run: Path) -> "Config":
        """Read a run's `config.json`.

        Raises:
            RunError: there is none.
        """
        try:
            return cls(**json.loads((run / "config.json").read_text()))
        except FileNotFoundError:
            raise RunError(f"{run} is not the directory of a `fit`.") from None


@dataclass(frozen=True)
class Phase:
    """A part of the training with its own learning rate."""

    name: str
    train_all_layers: bool
    epochs: int
    learning_rate: float


class Batches(keras.utils.PyDataset):
    """Shuffled batches of uint8 images `[B, 224, 224, 1]` and labels `[B]`, anew each epoch."""

    def __init__(self, images: data.Images, batch_size: int, seed: int | None = None) -> None:
        super().__init__()
        self._images = images
        self._labels = images.labels
        self._batch_size = batch_size
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(images))
        self.on_epoch_end()

    def __len__(self) -> int:
        return (len(self._order) + self._batch_size - 1) // self._batch_size

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return self._images.pixels[chosen], self._labels[chosen]

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._random.shuffle(self._order)


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
            callback.best = min(_losses(self._rows))
            callback.wait = _epochs_since_best(self._rows)


def fit(config: Config, run: Path) -> Path:
    """Train, or resume the training in `run`; returns the path of the best weights.

    Raises:
        RunError: `run` belongs to a fit with another configuration.
        DataError, WeightsError: unusable images or weights.
    """
    _claim(run, config)
    parts = data.split(data.find(Path(config.data) / "train"), config.seed)
    train = data.load(parts[data.TRAIN], "training images")
    validation = data.load(parts[data.VALIDATION], "validation images")
    network = model.build(
        config.backbone, config.weights, config.dropout, config.seed, config.precision
    )
    best = run
    for phase in phases(config):
        best = _train(network, phase, config, (train, validation), run / phase.name)
    return best


def phases(config: Config) -> list[Phase]:
    """First what starts untrained, then the whole network at a lower rate."""
    return [
        Phase("1-head", False, config.head_epochs, config.head_learning_rate),
        Phase("2-all", True, config.epochs, config.learning_rate),
    ]


def best_weights(config: Config, run: Path) -> Path:
    """The best weights of a finished run.

    Raises:
        RunError: the fit has not finished.
    """
    folder = run / phases(config)[-1].name
    if not (folder / "done").exists():
        raise RunError(f"The fit in {run} has not finished; run it again and it resumes.")
    return _best(folder)


def log(folder: Path) -> Rows:
    """The rows of a phase's log, one for each finished epoch."""
    path = folder / "log.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _claim(run: Path, config: Config) -> None:
    path = run / "config.json"
    if path.exists():
        if Config.read(run) != config:
            raise RunError(f"{run} holds a fit with another configuration; choose another --run.")
        typer.echo(f"resuming {run}")
        return
    run.mkdir(parents=True, exist_ok=True)
    (run / "command.txt").write_text(shlex.join(["python", "-m", "training", *sys.argv[1:]]) + "\n")
    # What makes the directory a run comes last, and whole.
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(config), indent=2) + "\n")
    fresh.replace(path)


def _train(
    network: model.Network,
    phase: Phase,
    config: Config,
    images: tuple[data.Images, data.Images],
    folder: Path,
) -> Path:
    classifier = network.classifier
    if not (folder / "done").exists():
        folder.mkdir(exist_ok=True)
        network.freeze_pretrained(not phase.train_all_layers)
        classifier.compile(
            optimizer=keras.optimizers.AdamW(phase.learning_rate, weight_decay=config.weight_decay),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[keras.metrics.AUC(from_logits=True, name="auc")],
        )
        trained = sum(int(np.prod(weight.shape)) for weight in classifier.trainable_weights)
        typer.echo(f"{phase.name}: {trained:,} weights are trained")
        train, validation = images
        if not _ended(log(folder), phase):
            classifier.fit(
                Batches(train, config.batch_size, config.seed),
                validation_data=Batches(validation, config.batch_size),
                epochs=phase.epochs,
                class_weight=_class_weight(train.labels),
                callbacks=_callbacks(folder),
                verbose="auto",
            )
        shutil.rmtree(folder / "backup", ignore_errors=True)
        (folder / "done").touch()
    best = _best(folder)
    classifier.load_weights(best)
    return best


def _ended(rows: Rows, phase: Phase) -> bool:
    """Whether the last logged epoch was the phase's last: a kill may have come before `done`."""
    return bool(rows) and (
        int(rows[-1]["epoch"]) + 1 >= phase.epochs or _epochs_since_best(rows) >= _PATIENCE
    )


def _callbacks(folder: Path) -> list[keras.callbacks.Callback]:
    rows = _rewind(folder)
    stopping = keras.callbacks.EarlyStopping(MONITOR, patience=_PATIENCE, verbose=1)
    plateau = keras.callbacks.ReduceLROnPlateau(MONITOR, factor=0.3, patience=1, verbose=1)
    # The order is what makes a kill harmless: weights, then the log that names them, then the
    # backup that moves the training on.
    return [
        stopping,
        plateau,
        keras.callbacks.ModelCheckpoint(
            str(folder / "epoch-{epoch:03d}.weights.h5"),
            MONITOR,
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=min(_losses(rows), default=None),
        ),
        keras.callbacks.CSVLogger(str(folder / "log.csv"), append=True),
        keras.callbacks.BackupAndRestore(str(folder / "backup"), double_checkpoint=True),
        Recall(rows, (stopping, plateau)),
    ]


def _rewind(folder: Path) -> Rows:
    """Take the log back to the backup, where the training goes on; returns the rows that stay.

    The epoch after the last backup is trained again, so it must not count twice.
    """
    epochs = _mend(folder / "backup")
    rows = log(folder)
    kept = [row for row in rows if int(row["epoch"]) < epochs]
    if len(kept) < len(rows):
        fresh = folder / "log.new"
        with fresh.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(kept)
        fresh.replace(folder / "log.csv")
    return kept


def _mend(backup: Path) -> int:
    """The number of epochs in Keras' backup, which a kill may have broken while it was written.

    Where the current files are broken the previous ones take their place. Keras does that too,
    but stops at an empty metadata file, and where the very first backup is broken.
    """
    names = ("latest.weights.h5", "training_metadata.json")
    for suffix in ("", ".bkp"):
        weights, metadata = (backup / (name + suffix) for name in names)
        try:
            h5py.File(weights).close()
            epochs = int(json.loads(metadata.read_text())["epoch"])
        except (OSError, ValueError):
            continue
        for name in names if suffix else ():
            shutil.copy(backup / (name + suffix), backup / name)
        return epochs
    shutil.rmtree(backup, ignore_errors=True)
    return 0


def _losses(rows: Rows) -> list[float]:
    return [float(row[MONITOR]) for row in rows]


def _epochs_since_best(rows: Rows) -> int:
    return len(rows) - 1 - int(np.argmin(_losses(rows)))


def _best(folder: Path) -> Path:
    """The weights of the epoch with the lowest validation loss."""
    row = min(log(folder), key=lambda row: float(row[MONITOR]))
    return folder / f"epoch-{int(row['epoch']) + 1:03d}.weights.h5"


def _class_weight(labels: npt.NDArray[np.float32]) -> dict[int, float]:
    """Weights under which both labels count alike, against the set's 1 : 2.9 imbalance."""
    positive = float(labels.mean())
    return {0: 0.5 / (1 - positive), 1: 0.5 / positive}
