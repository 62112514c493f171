"""Keras augmentation layers, chosen for radiographs.

What varies between one chest X-ray and the next without changing the diagnosis is how the patient
stood (rotation, translation, zoom), the exposure (brightness, contrast, gamma), the detector's
sharpness, and what lies over the lung (markers, tubes, cropped borders: erasing).

There is no flip. The heart's apex points to the patient's left; a mirrored film shows dextrocardia
or was hung the wrong way round, and neither is what the service gets. A vertical flip is a patient
on the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from training.fit.view import GRAY

_JITTER = 0.03


@keras.saving.register_keras_serializable("pneumoscope")
class RandomExposure(keras.layers.Layer):
    """Give intensities in 0..255 another gamma, black and white, drawn for each image.

    Shape `[N, height, width, channels]` in and out; the identity outside training.

    Attributes:
        gamma: its logarithm is drawn uniformly from within +- this.
        black: what 0 becomes is drawn uniformly between these two.
        white: and so is what 255 becomes; what leaves 0..255 is clipped.
    """

    def __init__(
        self,
        gamma: float,
        black: tuple[float, float],
        white: tuple[float, float],
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.gamma = gamma
        self.black = black
        self.white = white
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return images
        shape = (keras.ops.shape(images)[0], 1, 1, 1)
        spans = (-self.gamma, self.gamma), self.black, self.white
        log_gamma, black, white = (
            keras.random.uniform(shape, low, high, seed=self.generator) for low, high in spans
        )
        unit = keras.ops.clip(images / 255.0, 1e-4, 1.0)
        developed = keras.ops.power(unit, keras.ops.exp(log_gamma))
        return keras.ops.clip(black + (white - black) * developed, 0.0, 255.0)

    def get_config(self) -> dict[str, object]:
        own = {"gamma": self.gamma, "black": self.black, "white": self.white, "seed": self.seed}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("pneumoscope")
class RandomNoise(keras.layers.Layer):
    """Add Gaussian noise to intensities in 0..255, its deviation drawn for each image up to `most`.

    Shape `[N, height, width, channels]` in and out; the identity outside training.
    """

    def __init__(self, most: float, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.most = most
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return images
        shape = keras.ops.shape(images)
        deviations = keras.random.uniform((shape[0], 1, 1, 1), 0, self.most, seed=self.generator)
        noise = keras.random.normal(shape, seed=self.generator)
        return keras.ops.clip(images + deviations * noise, 0, 255)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "most": self.most, "seed": self.seed}


@keras.saving.register_keras_serializable("pneumoscope")
class RandomDetail(keras.layers.Layer):
    """Strengthen or weaken the two finest octaves of images 0..255, each by a gain of its own.

    Detectors and their software sharpen edges or smooth noise, each set in its own way. The
    logarithm of a gain is drawn uniformly from between the two of `log_gain` for each image.

    Shape `[N, height, width, 1]` in and out; the identity outside training.
    """

    def __init__(
        self, log_gain: tuple[float, float], seed: int | None = None, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.log_gain = log_gain
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return images
        # Boxes twice are nearly a Gaussian.
        soft = _boxed(_boxed(images, 3), 3)
        softer = _boxed(_boxed(soft, 5), 5)
        shape = (keras.ops.shape(images)[0], 1, 1, 1)
        fine, coarse = (
            keras.ops.exp(keras.random.uniform(shape, *self.log_gain, seed=self.generator))
            for _ in range(2)
        )
        return keras.ops.clip(
            softer + coarse * (soft - softer) + fine * (images - soft), 0.0, 255.0
        )

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "log_gain": self.log_gain, "seed": self.seed}


def _boxed(images: keras.KerasTensor, side: int) -> keras.KerasTensor:
    return keras.ops.average_pool(images, side, 1, "same")


@dataclass(frozen=True)
class Augmentation:
    """What varies the image with its lungs, and what varies the field.

    Attributes:
        jitter: of the field's box, see `view.LungField`.
        turning: layers on image and lungs together.
        developing: layers on the image.
        covering: layers on the field.
    """

    jitter: float
    turning: list[keras.layers.Layer]
    developing: list[keras.layers.Layer]
    covering: list[keras.layers.Layer]

    def of_image(
        self, image: keras.KerasTensor, lungs: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Turn images 0..255 `[N, h, w, 1]` and P(lung) `[N, h / 2, w / 2, 1]`; develop images."""
        enlarged = keras.layers.UpSampling2D(2, dtype="float32", name="enlarge")(lungs)
        both = keras.layers.Concatenate(dtype="float32", name="image_and_lungs")([image, enlarged])
        both = _through(self.turning, both)
        image, lungs = both[..., :1], both[..., 1:]
        lungs = keras.layers.AveragePooling2D(2, dtype="float32", name="reduce")(lungs)
        return _through(self.developing, image), lungs

    def of_field(self, field: keras.KerasTensor) -> keras.KerasTensor:
        """Cover parts of fields 0..255 `[N, side, side, 2]`."""
        return _through(self.covering, field)


def layers(seed: int) -> Augmentation:
    """The layers of each step, in their order. The view moves and sizes the box.

    Args:
        seed: of their draws.
    """
    # Pixels stay float32 whatever precision the backbone computes in.
    common = {"dtype": "float32"}
    intensity = common | {"value_range": (0, 255)}
    rotation = keras.layers.RandomRotation(
        0.03, fill_mode="constant", fill_value=0.0, seed=seed, **common
    )
    # Keras says that it cannot be compiled, which holds for TensorFlow's XLA. JAX compiles it, and
    # runs the whole fit one operation at a time where a single layer says so.
    rotation.supports_jit = keras.config.backend() == "jax"
    return Augmentation(
        jitter=_JITTER,
        turning=[rotation],
        developing=[
            RandomDetail((-2.0, 0.9), seed=seed + 4, **common),
            RandomNoise(3.0, seed=seed + 5, **common),
            RandomExposure(0.4, (-20, 40), (200, 275), seed=seed + 3, **common),
        ],
        covering=[
            keras.layers.RandomErasing(
                0.4, scale=(0.02, 0.12), fill_value=GRAY, seed=seed + 6, **intensity
            )
        ],
    )


def _through(steps: Sequence[keras.layers.Layer], images: keras.KerasTensor) -> keras.KerasTensor:
    for step in steps:
        images = step(images)
    return images
