"""The lung finder: a small U-Net that marks both lungs (Ronneberger 2015, arXiv:1505.04597).

It looks at the image at half its side, each image at its own mean and deviation, so that exposure
tells it nothing. It learns from masks that people drew, from images without lungs, and, in a second
round, from its own answers to images that nobody drew masks for, seen with stronger distortion than
when it answered (noisy student, Xie 2020, arXiv:1911.04252). So it gets to know adults.
"""

import cv2
import keras
import numpy as np
import numpy.typing as npt

from app.imaging.decode import MODEL_SIDE
from training.fit import field

SIDE = MODEL_SIDE // 2
VARIABLES = "finder"
"""The name of each of the finder's variables in a SavedModel."""
_CHANNELS = 16, 24, 32, 48, 64
_LEAST_DEVIATION = 4.0
_BATCH = 64
# P(lung) >= 0.5, in 255ths.
_TAKEN = 128

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@keras.saving.register_keras_serializable("pneumoscope")
class Standardise(keras.layers.Layer):
    """Give each image `[N, h, w, 1]` of 0..255 mean 0 and deviation 1; a blank one stays blank."""

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        mean = keras.ops.mean(images, axis=(1, 2), keepdims=True)
        centred = images - mean
        variance = keras.ops.mean(keras.ops.square(centred), axis=(1, 2), keepdims=True)
        return centred / keras.ops.maximum(keras.ops.sqrt(variance), _LEAST_DEVIATION)


def build(seed: int = 0) -> keras.Model:
    """The finder: gray 0..255 `[N, 224, 224, 1]` to the log-odds of lung `[N, 112, 112, 1]`."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((MODEL_SIDE, MODEL_SIDE, 1), name="image")
    x = Standardise(name="standardise")(keras.layers.AveragePooling2D(2, name="halve")(image))
    kept = []
    for level, channels in enumerate(_CHANNELS):
        if level:
            x = keras.layers.MaxPooling2D(2, name=f"down{level}")(x)
        x = _convolved(_convolved(x, channels, f"in{level}a"), channels, f"in{level}b")
        kept.append(x)
    for level in reversed(range(len(_CHANNELS) - 1)):
        x = keras.ops.image.resize(x, kept[level].shape[1:3], "nearest")
        x = keras.layers.Concatenate(name=f"join{level}")([kept[level], x])
        x = _convolved(x, _CHANNELS[level], f"out{level}")
    return keras.Model(image, keras.layers.Conv2D(1, 1, name="lung")(x), name="lungs")


def _convolved(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    x = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, name=name)(x)
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def loss(truth: keras.KerasTensor, logit: keras.KerasTensor) -> keras.KerasTensor:
    """Cross-entropy plus what the soft Dice coefficient lacks, `[N]`."""
    entropy = keras.ops.mean(
        keras.ops.binary_crossentropy(truth, logit, from_logits=True), axis=(1, 2, 3)
    )
    found = keras.ops.sigmoid(logit)
    overlap = keras.ops.sum(found * truth, axis=(1, 2, 3))
    total = keras.ops.sum(found + truth, axis=(1, 2, 3))
    return entropy + 1 - (2 * overlap + 50) / (total + 50)


def dice(found: Floats, drawn: npt.NDArray[np.bool_]) -> float:
    """The Dice coefficient of an image.

    Args:
        found: P(lung), `[h, w]`.
        drawn: by a person, `[height, width]`, to whose size `found` is enlarged.
    """
    size = drawn.shape[1], drawn.shape[0]
    taken = cv2.resize(found, size, interpolation=cv2.INTER_LINEAR) >= 0.5
    return float(2 * (taken & drawn).sum() / (taken.sum() + drawn.sum()))


def mark(finder: keras.Model, pixels: Gray) -> Gray:
    """P(lung) of each place without specks, in 255ths: uint8 `[N, 112, 112, 1]`.

    Args:
        finder: as `build` makes it, trained.
        pixels: uint8 `[N, 224, 224, 1]`.
    """
    found = [
        field.cleaned(keras.ops.sigmoid(finder.predict_on_batch(pixels[i : i + _BATCH])[..., 0]))
        for i in range(0, len(pixels), _BATCH)
    ]
    maps = np.concatenate([keras.ops.convert_to_numpy(maps) for maps in found])
    return np.rint(255 * maps).astype(np.uint8)[..., np.newaxis]


def certainty(maps: Gray) -> npt.NDArray[np.float64]:
    """The mean P(lung) of the places that are taken for lung, `[N]`; 0 where there is none."""
    taken = maps >= _TAKEN
    count = np.maximum(taken.sum(axis=(1, 2, 3)), 1)
    sums: npt.NDArray[np.float64] = (maps * taken).sum(axis=(1, 2, 3)) / 255
    return sums / count


def share(maps: Gray) -> npt.NDArray[np.float64]:
    """How much of each image is taken for lung, `[N]`."""
    shares: npt.NDArray[np.float64] = (maps >= _TAKEN).mean(axis=(1, 2, 3))
    return shares
