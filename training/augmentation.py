"""Keras augmentation layers, chosen for radiographs.

What varies between one chest X-ray and the next without changing the diagnosis is how the patient
stood (rotation, translation, zoom), the exposure (brightness, contrast, gamma), the detector's
sharpness, and what lies over the lung (markers, tubes, cropped borders: erasing).

There is no flip. The heart's apex points to the patient's left; a mirrored film shows dextrocardia
or was hung the wrong way round, and neither is what the service gets. A vertical flip is a patient
on the head.
"""

import keras


@keras.saving.register_keras_serializable("pneumoscope")
class RandomGamma(keras.layers.Layer):
    """Raise intensities in 0..255 to a power drawn log-uniformly for each image.

    Shape `[N, height, width, channels]` in and out; the identity outside training.
    """

    def __init__(self, factor: float, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if not training:
            return images
        shape = (keras.ops.shape(images)[0], 1, 1, 1)
        log_gamma = keras.random.uniform(shape, -1.0, 1.0, seed=self.generator) * self.factor
        unit = keras.ops.clip(images / 255.0, 1e-4, 1.0)
        return 255.0 * keras.ops.power(unit, keras.ops.exp(log_gamma))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "factor": self.factor, "seed": self.seed}


def layers(seed: int) -> list[keras.layers.Layer]:
    """The layers in their order, each on float images `[N, 224, 224, 1]` of 0..255."""
    # Pixels stay float32 whatever precision the backbone computes in.
    common = {"dtype": "float32"}
    geometry = common | {"fill_mode": "constant", "fill_value": 0.0}
    intensity = common | {"value_range": (0, 255)}
    return [
        keras.layers.RandomRotation(0.03, seed=seed, **geometry),
        keras.layers.RandomTranslation(0.08, 0.08, seed=seed + 1, **geometry),
        keras.layers.RandomZoom((-0.25, 0.1), (-0.25, 0.1), seed=seed + 2, **geometry),
        RandomGamma(0.5, seed=seed + 3, **common),
        keras.layers.RandomContrast(0.4, seed=seed + 4, **intensity),
        keras.layers.RandomBrightness(0.15, seed=seed + 5, **intensity),
        keras.layers.RandomGaussianBlur(0.3, kernel_size=5, sigma=1.0, seed=seed + 6, **intensity),
        keras.layers.RandomErasing(0.5, scale=(0.02, 0.15), seed=seed + 7, **intensity),
    ]
