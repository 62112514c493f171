"""Drawn stand-ins for chest X-rays: the tests need no patient's image."""

import cv2
import numpy as np
import numpy.typing as npt

from training.data.phantoms import chest

__all__ = ["checkerboard", "chest", "encode", "strange"]

Gray = npt.NDArray[np.uint8]


def checkerboard() -> Gray:
    """What no chest radiograph looks like, uint8 `[256, 256]`."""
    y, x = np.indices((256, 256)) // 16
    return ((x + y) % 2 * 255).astype(np.uint8)


def strange(seed: int = 0, *, pneumonia: bool = False) -> Gray:
    """A chest seen through a checkerboard, uint8 `[480, 560]`: lungs are found, and a lot else."""
    pixels = chest(seed, pneumonia=pneumonia).astype(np.int16)
    y, x = (np.indices(pixels.shape).T * 28 // np.array(pixels.shape)).T
    return np.clip(pixels + np.where((x + y) % 2, 60, -60), 0, 255).astype(np.uint8)


def encode(pixels: npt.NDArray[np.generic], suffix: str = ".png") -> bytes:
    """Encode pixels as the image type of a file suffix."""
    done, encoded = cv2.imencode(suffix, pixels)
    assert done
    return encoded.tobytes()
