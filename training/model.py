"""The network: a `keras.applications` backbone under global average pooling, dropout and dense."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from zipfile import BadZipFile

import keras
import numpy as np

from app.imaging.decode import MODEL_SIDE
from training import augmentation

NO_WEIGHTS = "none"

Preprocess = Callable[[keras.KerasTensor], keras.KerasTensor]

# Keras' 0.99 has not converged after one pass over a set of this size, and a layer that starts
# from its initialiser would be evaluated with statistics that are half its initial ones.
_BATCH_NORMALISATION_MOMENTUM = 0.9


class WeightsError(Exception):
    """Weights that do not fit the backbone."""


@dataclass(frozen=True)
class Network:
    """One set of weights, seen through three models.

    Attributes:
        backbone: grayscale 0..255 `[N, side, side, 1]` to the last convolution's output
            `[N, h, w, channels]`; holds the backbone's own normalisation.
        head: that output to the logit of PNEUMONIA `[N]`.
        classifier: augmentation (in training only), backbone, head.
        pretrained: the backbone's layers that came with weights.
    """

    backbone: keras.Model
    head: keras.Model
    classifier: keras.Model
    pretrained: list[keras.layers.Layer]

    def freeze_pretrained(self, frozen: bool) -> None:
        """Freeze or train what came with weights; the rest is always trained."""
        for layer in self.pretrained:
            layer.trainable = not frozen


def build(
    backbone: str,
    weights: str,
    dropout: float = 0.3,
    seed: int = 0,
    precision: str = "float32",
    side: int = MODEL_SIDE,
) -> Network:
    """Build the network.

    Args:
        backbone: a class of `keras.applications`, such as `ResNet50`.
        weights: `imagenet` (downloaded by Keras), `none`, a Keras `.h5` file, or an `.npz` file
            of arrays keyed `LAYER/WEIGHT`, which may cover some of the layers only.
        dropout: the share of pooled features dropped in training.
        seed: of the augmentation, the dropout and the initialisers.
        precision: Keras' dtype policy for the backbone. The weights are float32 under every
            policy, so a network trained under one is evaluated and exported under another.
        side: of the images. The weights are the same for every side.

    Raises:
        WeightsError: no such backbone, or weights that are not there or do not fit it.
    """
    keras.utils.set_random_seed(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        parts = pretrained(backbone, weights, side)
        return assemble(*parts, dropout, seed, augmentation.layers(seed))
    finally:
        keras.config.set_dtype_policy(before)


def pretrained(
    backbone: str, weights: str, side: int = MODEL_SIDE
) -> tuple[keras.Model, Preprocess, list[keras.layers.Layer]]:
    """A backbone with its weights, as `assemble` takes it; `weights` as for `build`.

    Raises:
        WeightsError: as `build` does.
    """
    module = _module(backbone)
    local = Path(weights) if weights.endswith(".npz") else None
    try:
        trunk = getattr(module, backbone)(
            include_top=False,
            weights=None if local or weights == NO_WEIGHTS else weights,
            input_shape=(side, side, 3),
        )
    # Keras answers a failed download with a bare Exception, the other faults with several types.
    except Exception as error:
        raise WeightsError(f"{backbone} with weights {weights!r}: {error}") from error
    if local:
        loaded = _load_npz(trunk, local)
    else:
        loaded = [] if weights == NO_WEIGHTS else [la for la in trunk.layers if la.weights]
    return trunk, module.preprocess_input, loaded


def assemble(
    trunk: keras.Model,
    preprocess_input: Preprocess,
    pretrained: list[keras.layers.Layer],
    dropout: float,
    seed: int,
    augment: Sequence[keras.layers.Layer],
) -> Network:
    """Put grayscale input, augmentation, pooling, dropout and dense around a backbone.

    Args:
        trunk: RGB `[N, side, side, 3]`, normalised, to `[N, h, w, channels]`.
        preprocess_input: RGB 0..255 to what the trunk takes.
        pretrained: the trunk's layers that came with weights.
        dropout: the share of pooled features dropped in training.
        seed: of the dropout.
        augment: layers of the classifier alone, on grayscale `[N, side, side, 1]`.
    """
    side = trunk.input_shape[1]
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORMALISATION_MOMENTUM
    gray = keras.Input((side, side, 1), name="gray")
    rgb = keras.layers.Concatenate(name="gray_to_rgb", dtype="float32")([gray, gray, gray])
    backbone = keras.Model(gray, trunk(preprocess_input(rgb)), name="backbone")

    features = keras.Input(backbone.output_shape[1:], name="features")
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    dropped = keras.layers.Dropout(dropout, seed=seed, name="dropout")(pooled)
    dense = keras.layers.Dense(1, dtype="float32", name="dense")(dropped)
    logit = keras.layers.Reshape((), dtype="float32", name="logit")(dense)
    head = keras.Model(features, logit, name="head")

    image = keras.Input((side, side, 1), name="image")
    augmented = image
    for layer in augment:
        augmented = layer(augmented)
    classifier = keras.Model(image, head(backbone(augmented)), name="classifier")
    return Network(backbone, head, classifier, pretrained)


def _module(backbone: str) -> ModuleType:
    """The submodule of `keras.applications` that has the class and its `preprocess_input`."""
    for module in vars(keras.applications).values():
        if isinstance(module, ModuleType) and {backbone, "preprocess_input"} <= vars(module).keys():
            return module
    raise WeightsError(f"keras.applications has no backbone {backbone!r}.")


def _load_npz(trunk: keras.Model, path: Path) -> list[keras.layers.Layer]:
    """Load the arrays into the layers that they name; returns those layers."""
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except (EOFError, OSError, TypeError, ValueError, BadZipFile) as error:
        raise WeightsError(f"{path} is not a readable .npz file: {error}") from error
    loaded = []
    for layer in trunk.layers:
        values = [arrays.pop(f"{layer.name}/{weight.name}", None) for weight in layer.weights]
        given = [value is not None for value in values]
        if any(given):
            if not all(given):
                raise WeightsError(f"{path} has only some of the weights of {layer.name}.")
            try:
                layer.set_weights(values)
            except ValueError as error:
                raise WeightsError(f"{path} does not fit {layer.name}: {error}") from error
            loaded.append(layer)
    if arrays or not loaded:
        raise WeightsError(f"{path} has no weights, or some of no layer: {sorted(arrays)[:3]}.")
    return loaded
