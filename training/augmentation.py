"""Keras augmentation layers, chosen for radiographs.

What varies between one chest X-ray and the next without changing the diagnosis is how the patient
stood (rotation, translation, zoom), the exposure (brightness, contrast, gamma), the detector's
sharpness, and what lies over the lung (markers, tubes, cropped borders: erasing).

There is no flip. The heart's apex points to the patient's left; a mirrored film shows dextrocardia
or was hung the wrong way round, and neither is what the service gets. A vertical flip is a patient
on the head.
"""

from collections.abc import Collection

import keras

FAMILIES = ("geometry", "exposure", "sharpness", "erasing")


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


def layers(seed: int, without: Collection[str] = ()) -> list[keras.layers.Layer]:
    """The layers in their order, each on float images `[N, height, width, 1]` of 0..255.

    Args:
        seed: of their draws.
        without: the families to leave out, of `FAMILIES`.
    """
    # Pixels stay float32 whatever precision the backbone computes in.
    common = {"dtype": "float32"}
    geometry = common | {"fill_mode": "constant", "fill_value": 0.0}
    intensity = common | {"value_range": (0, 255)}
    families = {
        "geometry": [
            keras.layers.RandomRotation(0.04, seed=seed, **geometry),
            keras.layers.RandomTranslation(0.1, 0.1, seed=seed + 1, **geometry),
            keras.layers.RandomZoom((-0.3, 0.1), (-0.3, 0.1), seed=seed + 2, **geometry),
        ],
        "exposure": [RandomExposure(0.4, (-30, 60), (180, 280), seed=seed + 3, **common)],
        "sharpness": [
            keras.layers.RandomGaussianBlur(
                0.5, kernel_size=7, sigma=(0.1, 1.5), seed=seed + 4, **intensity
            ),
            RandomNoise(5.0, seed=seed + 5, **common),
        ],
        "erasing": [
            keras.layers.RandomErasing(0.4, scale=(0.02, 0.15), seed=seed + 6, **intensity)
        ],
    }
    return [layer for name, family in families.items() if name not in without for layer in family]
