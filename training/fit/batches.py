"""Batches of images with their lungs, labels and weights for Keras."""

import cv2
import keras
import numpy as np
import numpy.typing as npt

from training.data import labelled

_RECOMPRESSED = 0.7
_QUALITIES = 12, 96

Floats = npt.NDArray[np.float32]
Gray = npt.NDArray[np.uint8]
Batch = tuple[tuple[Gray, Gray], Floats, Floats]


class Batches(keras.utils.PyDataset):
    """Images uint8 `[B, 224, 224, 1]`, their lungs, labels `[B, 1]` and weights `[B]`, in order.

    Keras' cross-entropy is the mean over the last axis. Of labels `[B]` that is the batch: one
    number, which the weights of single images then no longer change.

    Args:
        images: N.
        lungs: P(lung) in 255ths, uint8 `[N, h, w, 1]`.
        batch_size: B.
        weights: `[N]`, how much each image counts.
    """

    def __init__(
        self, images: labelled.Images, lungs: Gray, batch_size: int, weights: Floats
    ) -> None:
        super().__init__()
        self._images = images
        self._lungs = lungs
        self._labels = images.labels
        self._weights = weights
        self._batch_size = batch_size
        self._order = np.arange(len(images))

    def __len__(self) -> int:
        return (len(self._order) + self._batch_size - 1) // self._batch_size

    def __getitem__(self, index: int) -> Batch:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        shown = self._images.pixels[chosen], self._lungs[chosen]
        return shown, self._labels[chosen, np.newaxis], self._weights[chosen]


class TrainingBatches(Batches):
    """Batches in another order each epoch, most of whose images are compressed once more as JPEG.

    How an image was stored says where it came from, and nothing of the lungs. Keras has no layer
    that compresses.
    """

    def __init__(
        self, images: labelled.Images, lungs: Gray, batch_size: int, weights: Floats, seed: int
    ) -> None:
        super().__init__(images, lungs, batch_size, weights)
        self._random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __getitem__(self, index: int) -> Batch:
        (pixels, lungs), labels, weights = super().__getitem__(index)
        return (np.stack([self._compressed(image) for image in pixels]), lungs), labels, weights

    def on_epoch_end(self) -> None:
        self._random.shuffle(self._order)

    def _compressed(self, image: Gray) -> Gray:
        if self._random.random() >= _RECOMPRESSED:
            return image
        return through_jpeg(image, int(self._random.integers(*_QUALITIES)))[..., np.newaxis]


def through_jpeg(image: Gray, quality: int) -> Gray:
    """What a JPEG of that quality keeps of a grayscale image, uint8 `[height, width]`."""
    _, stored = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE), np.uint8)
