"""The classifier: a `keras.applications` backbone, average pooling over the lungs, dropout, dense.

Of the backbone only the stages down to maps of a sixteenth of the image's side are taken: of
ResNet-50, the stem to stage 4. The last stage would halve the maps once more, and with them the
sharpness of the explanation, for 15 million weights that a few thousand images do not need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from zipfile import BadZipFile

import keras
import numpy as np

from app.imaging.decode import MODEL_SIDE
from training.fit import augmentation, lungs
from training.fit.view import COLOURS, LOOKS, LungField, LungPooling

NO_WEIGHTS = "none"
FIELD_SIDE = 224
# Of a map's side, in a field's.
_STRIDE = 16

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
        view: images 0..255 `[N, 224, 224, 1]` and P(lung) `[N, 112, 112, 1]` to the lung field.
        backbone: a field 0..255 `[N, side, side, 2]` to features `[N, cells, cells, channels]`;
            holds the backbone's own normalisation.
        pooling: the features, and what each cell counts for, to their mean `[N, channels]`.
        head: that mean to the logit of PNEUMONIA `[N]`.
        classifier: images, and P(lung) in 255ths, to the logit; by way of augmentation (in training
            only), view, backbone, pooling and head.
        pretrained: the backbone's layers that came with weights.
    """

    view: LungField
    backbone: keras.Model
    pooling: LungPooling
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
    side: int = FIELD_SIDE,
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
        side: of the field. The weights are the same for every side.

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
    backbone: str, weights: str, side: int = FIELD_SIDE
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
    cut = _cut(trunk)
    return cut, module.preprocess_input, [layer for layer in loaded if layer in cut.layers]


def assemble(
    trunk: keras.Model,
    preprocess_input: Preprocess,
    pretrained: list[keras.layers.Layer],
    dropout: float,
    seed: int,
    augment: augmentation.Augmentation | None = None,
) -> Network:
    """Put the lung field, pooling over the lungs, dropout and dense around a backbone.

    Args:
        trunk: RGB `[N, side, side, 3]`, normalised, to `[N, cells, cells, channels]`.
        preprocess_input: RGB 0..255 `[..., 3]` to what the trunk takes; affine.
        pretrained: the trunk's layers that came with weights.
        dropout: the share of pooled features dropped in training.
        seed: of the dropout and the boxes' jitter.
        augment: what only the classifier does, and only in training.
    """
    side, cells, channels = trunk.input_shape[1], trunk.output_shape[1], trunk.output_shape[-1]
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORMALISATION_MOMENTUM
    looks = keras.Input((side, side, LOOKS), name="looks")
    # All of Keras' normalisations are affine: so colouring and normalising are one convolution.
    black, *lit = preprocess_input(np.concatenate([np.zeros_like(COLOURS[:1]), COLOURS]))
    normalised = keras.ops.conv(looks, (lit - black)[np.newaxis, np.newaxis]) + black
    backbone = keras.Model(looks, trunk(normalised), name="backbone")

    pooling = LungPooling(name="pool", dtype="float32")
    pooled = keras.Input((channels,), name="pooled")
    dropped = keras.layers.Dropout(dropout, seed=seed, name="dropout")(pooled)
    dense = keras.layers.Dense(1, dtype="float32", name="dense")(dropped)
    logit = keras.layers.Reshape((), dtype="float32", name="logit")(dense)
    head = keras.Model(pooled, logit, name="head")

    image = keras.Input((MODEL_SIDE, MODEL_SIDE, 1), name="image")
    marked = keras.Input((lungs.SIDE, lungs.SIDE, 1), name="lungs")
    share = keras.layers.Rescaling(1 / 255, name="share", dtype="float32")(marked)
    jitter = augment.jitter if augment else 0.0
    view = LungField(side, cells, jitter, seed, name="view", dtype="float32")
    augmented = augment.of_image(image, share) if augment else (image, share)
    shown, counted, _ = view(*augmented)
    seen = augment.of_field(shown) if augment else shown
    logit = head(pooling(backbone(seen), counted))
    classifier = keras.Model([image, marked], logit, name="classifier")
    return Network(view, backbone, pooling, head, classifier, pretrained)


def _cut(trunk: keras.Model) -> keras.Model:
    """The part of a backbone down to its last maps of a sixteenth of the image's side."""
    side = trunk.input_shape[1] // _STRIDE
    kept = [layer for layer in trunk.layers if layer.output.shape[1:3] == (side, side)]
    return keras.Model(trunk.input, kept[-1].output, name=trunk.name) if kept else trunk


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
