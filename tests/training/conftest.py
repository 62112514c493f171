"""What the tests of training share: a tiny model, trained and exported within a moment."""

from pathlib import Path

import keras
import numpy as np
import pytest

from app.imaging.decode import to_model_input
from model_store.store import ModelVersion, resolve
from tests import synthetic
from training.data import labelled, negatives
from training.export import release
from training.fit import lungs, model

ORIGIN = release.Origin(backbone="Tiny", command="pytest", seed=0)
# To draw all of `negatives.COUNT` images of each kind takes most of a measurement's time.
FEW = 2
# In 8 bits and bfloat16 a network of two convolutions is off by more than a deep one.
LOOSE = 0.1


def drawn(count: int, first_seed: int) -> labelled.Images:
    """Drawn images `[count, 224, 224, 1]`, every other one with pneumonia."""
    samples, pixels = [], []
    for seed in range(first_seed, first_seed + count):
        label = seed % 2
        samples.append(labelled.Sample(Path(f"{seed}.jpeg"), label, f"person{seed}"))
        chest = synthetic.chest(seed, pneumonia=bool(label), size=(224, 224))
        pixels.append(to_model_input(chest))
    return labelled.Images(samples, np.stack(pixels))


@pytest.fixture(scope="session")
def parts() -> dict[str, labelled.Images]:
    """The parts of a split, drawn."""
    return {
        labelled.TRAIN: drawn(48, 0),
        labelled.VALIDATION: drawn(24, 1000),
        labelled.CALIBRATION: drawn(40, 2000),
    }


def marking_what_is_dark() -> keras.Model:
    """Marks what is as dark as the lungs of drawn chests, and has nothing to learn."""
    image = keras.Input((224, 224, 1))
    soft = keras.layers.AveragePooling2D(9, 1, "same")(image)
    gray = keras.layers.AveragePooling2D(2)(soft)
    return keras.Model(image, 6.0 - keras.ops.square((gray - 75.0) / 12.0))


@pytest.fixture(scope="session")
def finder() -> keras.Model:
    """Stands in for a trained finder of lungs."""
    return marking_what_is_dark()


@pytest.fixture(scope="session")
def network(finder: keras.Model, parts: dict[str, labelled.Images]) -> model.Network:
    """Two convolutions, trained for a moment on the drawn images."""
    keras.utils.set_random_seed(0)
    rgb = keras.Input((224, 224, 3))
    hidden = keras.layers.Conv2D(8, 8, strides=8, activation="relu")(rgb)
    features = keras.layers.Conv2D(16, 2, strides=2, activation="relu")(hidden)
    trunk = keras.Model(rgb, features)
    tiny = model.assemble(trunk, lambda pixels: pixels / 127.5 - 1, [], 0.0, 0)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    tiny.classifier.compile(keras.optimizers.Adam(3e-3), loss)
    train = parts[labelled.TRAIN]
    shown = train.pixels, lungs.mark(finder, train.pixels)
    tiny.classifier.fit(shown, train.labels, batch_size=8, epochs=40, verbose=0)
    return tiny


@pytest.fixture(scope="session")
def trained(finder: keras.Model, network: model.Network) -> release.Trained:
    """Both networks."""
    return release.Trained(finder, network)


@pytest.fixture(scope="session")
def model_root(
    trained: release.Trained,
    parts: dict[str, labelled.Images],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model store that holds `pneumonia/1`, written by the project's own export."""
    root = tmp_path_factory.mktemp("model_store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(negatives, "COUNT", FEW)
        patch.setattr(release, "_GRAPH_TOLERANCE", LOOSE)
        release.add_version(trained, parts, ORIGIN, root / "pneumonia")
    return root


@pytest.fixture(scope="session")
def tiny_model(model_root: Path) -> ModelVersion:
    """The version in `model_root`."""
    return resolve(model_root)


@pytest.fixture
def few_negatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that measures novelty by the way."""
    monkeypatch.setattr(negatives, "COUNT", FEW)
