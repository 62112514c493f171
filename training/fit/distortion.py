"""Images and their lungs as another operator, machine and patient would have had them."""

from dataclasses import dataclass

import cv2
import keras
import numpy as np
import numpy.typing as npt

from training.fit.batches import through_jpeg

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Masked:
    """Images uint8 `[N, 224, 224, 1]` and where their lungs are, float32 `[N, 112, 112, 1]`."""

    pixels: Gray
    masks: Floats

    def __len__(self) -> int:
        return len(self.pixels)

    def __add__(self, other: "Masked") -> "Masked":
        return Masked(
            np.concatenate([self.pixels, other.pixels]), np.concatenate([self.masks, other.masks])
        )


class MaskedBatches(keras.utils.PyDataset):
    """Batches in another order each epoch, each image placed, exposed and covered at random."""

    def __init__(self, images: Masked, batch_size: int, seed: int) -> None:
        super().__init__()
        self._images, self._batch_size = images, batch_size
        self._random = np.random.default_rng(seed)
        self._order = np.arange(len(images))
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self._order) // self._batch_size

    def __getitem__(self, index: int) -> tuple[Gray, Floats]:
        chosen = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        pairs = [
            distorted(self._images.pixels[i, ..., 0], self._images.masks[i, ..., 0], self._random)
            for i in chosen
        ]
        pixels, masks = (np.stack(part)[..., np.newaxis] for part in zip(*pairs, strict=True))
        return pixels, masks

    def on_epoch_end(self) -> None:
        self._random.shuffle(self._order)


def distorted(image: Gray, mask: Floats, random: np.random.Generator) -> tuple[Gray, Floats]:
    """The image and its mask as another operator, machine and patient would have had them."""
    image, mask = _placed(image, mask, random)
    film = _covered(_exposed(image.astype(np.float32), random), mask, random)
    if random.random() < 0.3:
        film = cv2.GaussianBlur(film, (0, 0), random.uniform(0.4, 2.5)).astype(np.float32)
    if random.random() < 0.3:
        grain = random.normal(0, random.uniform(2, 14), film.shape)
        film = film + grain.astype(np.float32)
    rounded = np.rint(np.clip(film, 0, 255)).astype(np.uint8)
    if random.random() < 0.3:
        rounded = through_jpeg(rounded, int(random.integers(20, 90)))
    return rounded, mask


def _placed(image: Gray, mask: Floats, random: np.random.Generator) -> tuple[Gray, Floats]:
    """Turned, stretched, shifted and mirrored; what lies beyond the edge is black or goes on."""
    angle = np.radians(random.normal(0, 7))
    zoom = np.exp(random.normal(0, 0.2)) * np.exp(random.normal(0, 0.08, 2))
    match random.random():
        case chance if chance < 0.07:
            zoom = zoom * random.uniform(1.5, 3)
        case chance if chance < 0.3:
            zoom = zoom * random.uniform(0.4, 0.9)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1, random.normal(0, 0.05)], [0, 1]])
    # Of the unit square about its centre.
    linear = turn @ shear @ np.diag(zoom * (1, 1))
    if random.random() < 0.5:
        linear[:, 0] *= -1
    shift = random.normal(0, 0.07 * np.sqrt(zoom.mean()), 2)
    border = cv2.BORDER_REPLICATE if random.random() < 0.3 else cv2.BORDER_CONSTANT
    beyond = float(random.choice((0, 0, random.uniform(0, 255))))
    placed = []
    for picture, how, value in ((image, border, beyond), (mask, cv2.BORDER_CONSTANT, 0.0)):
        side = picture.shape[0]
        centre = (side - 1) / 2
        offset = centre + side * shift - linear @ (centre, centre)
        matrix = np.column_stack([linear, offset])
        placed.append(
            cv2.warpAffine(
                picture,
                matrix,
                (side, side),
                flags=cv2.INTER_LINEAR,
                borderMode=how,
                borderValue=value,
            )
        )
    return placed[0], placed[1]


def _exposed(image: Floats, random: np.random.Generator) -> Floats:
    unit = (image - image.min()) / max(float(np.ptp(image)), 1.0)
    if random.random() < 0.08:
        unit = 1 - unit
    unit = unit ** np.exp(random.normal(0, 0.5))
    if random.random() < 0.3:
        # A gradient across the film, as scatter or a grid that was not centred leaves.
        y, x = np.mgrid[-1 : 1 : len(unit) * 1j, -1 : 1 : len(unit) * 1j]
        unit = unit + random.normal(0, 0.12) * x + random.normal(0, 0.12) * y
    low, span = random.uniform(0, 70), random.uniform(110, 230)
    exposed: Floats = np.clip(low + span * unit, 0, 255).astype(np.float32)
    return exposed


def _covered(image: Floats, mask: Floats, random: np.random.Generator) -> Floats:
    """A white-out over part of the lungs, a device or a letter, a collimated border."""
    side = len(image)
    if random.random() < 0.35:
        rows, columns = np.nonzero(mask > 0.5)
        if len(rows):
            at = random.integers(len(rows))
            centre = int(columns[at] * side / len(mask)), int(rows[at] * side / len(mask))
            white = np.zeros_like(image)
            axes = tuple(int(v) for v in random.integers(10, 60, 2))
            cv2.ellipse(white, centre, axes, random.uniform(0, 180), 0, 360, 1.0, -1)
            soft = cv2.GaussianBlur(white, (0, 0), random.uniform(3, 14)) * random.uniform(0.3, 1)
            level = random.uniform(np.percentile(image, 60), 255)
            image = image * (1 - soft) + level * soft
    for _ in range(int(random.integers(0, 3)) if random.random() < 0.3 else 0):
        top, left = random.integers(0, side - 8, 2)
        height, width = random.integers(4, 40, 2)
        image[top : top + height, left : left + width] = random.uniform(0, 255)
    if random.random() < 0.15:
        edge = random.integers(0, side // 6, 4)
        inner = np.zeros_like(image)
        inner[edge[0] : side - edge[1], edge[2] : side - edge[3]] = 1
        image = image * inner + random.choice((0.0, 255.0)) * (1 - inner)
    return image.astype(np.float32)
