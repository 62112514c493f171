"""A fit that takes seconds: drawn images on disk, and a network of one convolution."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import keras

from tests import synthetic
from tests.training.conftest import marking_what_is_dark
from training.fit import fine_tuning, lung_training, model, view

# A rate too low to move a float32 weight: the validation area never grows, so EarlyStopping and
# ReduceLROnPlateau act at epochs that are known beforehand.
STILL = 1e-12


def images(folder: Path, patients: int = 10, size: tuple[int, int] = (64, 80)) -> Path:
    """Draw `folder/{NORMAL,PNEUMONIA}/*`, an image for each patient."""
    for label, name in (("NORMAL", "IM-{:04}-0001.png"), ("PNEUMONIA", "person{}_virus_1.png")):
        (folder / label).mkdir(parents=True)
        for patient in range(patients):
            pixels = synthetic.chest(patient, pneumonia=label == "PNEUMONIA", size=size)
            (folder / label / name.format(patient)).write_bytes(synthetic.encode(pixels))
    return folder


def config(data: Path, **changes: Any) -> fine_tuning.Config:
    """Of a fit of two phases: the first has one epoch, the last stops early in its fifth."""
    still = fine_tuning.Config(
        sets=(f"kermany={data}",),
        lungs="lungs",
        backbone="Tiny",
        weights=model.NO_WEIGHTS,
        dropout=0.0,
        batch_size=4,
        head_epochs=1,
        head_learning_rate=STILL,
        small_epochs=0,
        epochs=9,
        learning_rate=STILL,
        weight_decay=0.0,
        label_smoothing=0.0,
        precision="float32",
        seed=0,
    )
    return replace(still, **changes)


class WholeImage(keras.layers.Layer):
    """Stands in for `LungField`, whose tracing takes most of a tiny fit."""

    def __init__(self, side: int, cells: int, jitter: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.side, self.cells = side, cells

    def call(self, images: Any, lungs: Any) -> tuple[Any, Any, Any]:
        shown = keras.ops.image.resize(images, (self.side, self.side))
        counted = keras.ops.image.resize(lungs, (self.cells, self.cells))
        zero = 0.0 * counted[:, 0, 0, 0]
        boxes = keras.ops.stack([zero, zero, zero + 1.0, zero + 1.0], axis=-1)
        return keras.ops.repeat(shown, view.LOOKS, axis=-1), counted, boxes


def build(
    backbone: str = "Tiny",
    weights: str = model.NO_WEIGHTS,
    dropout: float = 0.0,
    seed: int = 0,
    precision: str = "float32",
    side: int = 224,
) -> model.Network:
    """What stands in for `model.build`, without augmentation."""
    keras.utils.set_random_seed(seed)
    rgb = keras.Input((side, side, 3))
    trunk = keras.Model(
        rgb, keras.layers.Conv2D(4, 32, strides=32, activation="relu", name="conv")(rgb)
    )
    with mock.patch.object(model, "LungField", WholeImage):
        return model.assemble(trunk, lambda pixels: pixels / 255.0, trunk.layers[1:], dropout, seed)


def finder(run: Path) -> keras.Model:
    """What stands in for `lung_training.load`, whatever the run."""
    return marking_what_is_dark()


if __name__ == "__main__":
    vars(model)["build"] = build
    vars(lung_training)["load"] = finder
    fine_tuning.fit(config(Path(sys.argv[1])), Path(sys.argv[2]))
