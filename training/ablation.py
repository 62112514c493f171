"""Which idea keeps a network off how an image was taken: short fits that differ in one thing each.

Every fit starts from the same weights, sees the same images in the same order under the same seed,
at half the released model's resolution and for a few hundred steps. So the figures rank ideas, and
say nothing of how good the released model is. They are of patients whom the fits did not see.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import typer
from scipy.special import expit

from app.inference.engine import Answers
from training import acquisition, augmentation, data, model, report, shift
from training.answers import infer
from training.batches import TrainingBatches, shrunk

SIDE = 112
EPOCHS = 6

_BACKBONE = "ResNet50"
_DROPOUT = 0.3
_BATCH_SIZE = 32
_LEARNING_RATE = 3e-4
_WARM_UP = 20
_TRAIN, _HELD_OUT = 640, 500
_THRESHOLD = 0.5
_SPECIFICITIES = "as they are", "cropped", "low contrast"


@dataclass(frozen=True)
class Idea:
    """What a fit leaves out of the base, or adds to it: all that `fit` does but the averaging.

    Attributes:
        without: the families of `augmentation` that are left out.
        weighted: images count as `acquisition.weights` says, else alike.
        label_smoothing: of the loss.
        averaged: the weights are averaged over the steps (Polyak 1992), with a decay of 0.98.
    """

    without: tuple[str, ...] = ()
    weighted: bool = True
    label_smoothing: float = 0.1
    averaged: bool = False


IDEAS: Mapping[str, Idea] = {
    "the base": Idea(),
    "no augmentation": Idea(without=augmentation.FAMILIES),
    **{f"without {family}": Idea(without=(family,)) for family in augmentation.FAMILIES},
    "all images alike": Idea(weighted=False),
    "no label smoothing": Idea(label_smoothing=0.0),
    "averaged weights": Idea(averaged=True),
}


@dataclass
class Trained:
    """A classifier that answers as an engine does, without a map or a novelty."""

    classifier: keras.Model
    max_batch: int = 64

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        """Answer uint8 `[N, 224, 224, 1]`."""
        logits = self.classifier.predict_on_batch(shrunk(images, SIDE).astype(np.float32))
        nothing = np.zeros(len(images), np.float32)
        return Answers(logits, expit(logits), np.zeros((len(images), 1, 1), np.float32), nothing)


def ablate(
    samples: Sequence[data.Sample], weights: str, out: Path, ideas: Sequence[str], seed: int = 0
) -> str:
    """Fit every idea that `out` does not hold yet; returns the table of all that it holds.

    Args:
        samples: to be split by patient; of each label some are trained on, some held out.
        weights: as for `model.build`.
        out: a JSON file for each idea, so that a stopped run goes on.
        ideas: keys of `IDEAS`.
        seed: of the split, the order, the initialisers and the augmentation.

    Raises:
        DataError, WeightsError: unusable images or weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    missing = [idea for idea in ideas if not (out / f"{idea}.json").exists()]
    if missing:
        parts = data.split(samples, seed)
        train = data.load(_some(parts[data.TRAIN], _TRAIN, seed), "training images")
        rest = [*parts[data.VALIDATION], *parts[data.CALIBRATION]]
        held_out = data.load(_some(rest, _HELD_OUT, seed), "held-out images")
        counts, _ = acquisition.weights(train, held_out)
    for name in missing:
        engine = Trained(_fit(IDEAS[name], train, counts, weights, seed))
        found = shift.measure(engine, held_out, infer(engine, held_out.pixels), _THRESHOLD)
        told = {"idea": asdict(IDEAS[name]), "seed": seed} | found
        (out / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n")
        typer.echo(f"{name} is done")
    files = {idea: out / f"{idea}.json" for idea in IDEAS}
    return table({i: json.loads(f.read_text()) for i, f in files.items() if f.exists()})


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each idea, in Markdown.

    Args:
        found: by idea, what `shift.measure` returned.
    """
    rows = [
        [
            name,
            *(f"{one['acquisition'][group]['roc_auc']:.3f}" for group in ("rest", "against")),
            *(f"{one['taken'][way]['roc_auc']:.3f}" for way in shift.changed()),
            *(f"{one['taken'][way]['specificity']:.2f}" for way in _SPECIFICITIES),
        ]
        for name, one in found.items()
    ]
    areas = ["with", "against", *shift.changed()]
    specificities = [f"specificity, {way}" for way in _SPECIFICITIES]
    return report.table(["", *areas, *specificities], rows)


def _fit(
    idea: Idea,
    images: data.Images,
    counts: npt.NDArray[np.float32],
    weights: str,
    seed: int,
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        parts = model.pretrained(_BACKBONE, weights, SIDE)
        augment = augmentation.layers(seed, idea.without)
        classifier = model.assemble(*parts, _DROPOUT, seed, augment).classifier
    finally:
        keras.config.set_dtype_policy("float32")
    batches = TrainingBatches(
        data.Images(images.samples, shrunk(images.pixels, SIDE)),
        _BATCH_SIZE,
        counts if idea.weighted else np.ones_like(counts),
        seed,
    )
    steps = EPOCHS * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - _WARM_UP, warmup_target=_LEARNING_RATE, warmup_steps=_WARM_UP
    )
    optimizer = keras.optimizers.AdamW(rate, use_ema=idea.averaged, ema_momentum=0.98)
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=idea.label_smoothing)
    classifier.compile(optimizer, loss)
    classifier.fit(batches, epochs=EPOCHS, verbose=2)
    return classifier


def _some(samples: Sequence[data.Sample], of_each_label: int, seed: int) -> list[data.Sample]:
    order = np.random.default_rng(seed).permutation(len(samples))
    return [
        sample
        for label in range(len(data.LABELS))
        for sample in [samples[at] for at in order if samples[at].label == label][:of_each_label]
    ]
