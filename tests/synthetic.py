"""Drawn stand-ins for chest X-rays: the tests need no patient's image."""

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]


def chest(seed: int = 0, *, pneumonia: bool = False, size: tuple[int, int] = (480, 560)) -> Gray:
    """Draw a frontal chest radiograph.

    Args:
        seed: of the anatomy's variation and the noise.
        pneumonia: draw a consolidation in one lung.
        size: height and width, in pixels.

    Returns:
        uint8 `[height, width]`, higher is brighter.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    x = x - random.uniform(-0.06, 0.06)
    y = y - random.uniform(-0.05, 0.05)

    body = _soft(1.02 - (np.abs(x) / 0.98) ** 4 - np.clip(-y - 0.55, 0, 1) * np.abs(x) * 4, 0.06)
    attenuation = 0.62 * body
    lungs = np.zeros(size)
    for side in (-1, 1):
        u = (x - side * 0.42) / 0.31
        top, base = -0.72, 0.48 - 0.12 * np.cos(np.pi * np.clip(u, -1, 1))
        v = (y - (top + base) / 2) / ((base - top) / 2)
        lungs = np.maximum(lungs, _soft(1 - u**2 - np.abs(v) ** 2.6, 0.12))
    attenuation -= 0.44 * lungs

    for index in range(8):
        arc = y + 0.62 - 0.17 * index - 0.38 * (np.abs(x) - 0.45) ** 2
        rib = np.exp(-((arc / 0.022) ** 2)) * _soft(0.9 - np.abs(x), 0.1)
        attenuation += 0.085 * rib * (0.4 + 0.6 * lungs)
    clavicle = y + 0.68 + 0.14 * np.abs(x)
    attenuation += 0.15 * np.exp(-((clavicle / 0.03) ** 2)) * _soft(0.85 - np.abs(x), 0.1)
    spine = np.exp(-((x / 0.1) ** 4))
    attenuation += spine * (0.2 + 0.03 * np.cos(y * 42))
    heart = _soft(1 - ((x - 0.13) / 0.36) ** 2 - ((y - 0.22) / 0.36) ** 2, 0.25)
    attenuation += 0.32 * heart * (1 - spine)
    if pneumonia:
        side = random.choice((-1, 1))
        centre = side * random.uniform(0.38, 0.5), random.uniform(-0.1, 0.3)
        distance = ((x - centre[0]) / 0.24) ** 2 + ((y - centre[1]) / 0.22) ** 2
        texture = cv2.GaussianBlur(random.normal(size=size), (0, 0), size[0] / 60)
        patchy = np.clip(1 + 0.35 * texture / texture.std(), 0, None)
        attenuation += 0.36 * np.exp(-distance) * lungs * patchy

    grain = cv2.GaussianBlur(random.normal(size=size), (0, 0), 0.8)
    exposed = np.clip(attenuation + 0.012 * grain / grain.std() * body, 0, 1)
    return np.rint(255 * exposed**0.85).astype(np.uint8)


def checkerboard() -> Gray:
    """What no chest radiograph looks like, uint8 `[256, 256]`."""
    y, x = np.indices((256, 256)) // 16
    return ((x + y) % 2 * 255).astype(np.uint8)


def encode(pixels: npt.NDArray[np.generic], suffix: str = ".png") -> bytes:
    """Encode pixels as the image type of a file suffix."""
    done, encoded = cv2.imencode(suffix, pixels)
    assert done
    return encoded.tobytes()


def _soft(signed_distance: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.float64]:
    """0 outside a shape, 1 inside, and a smooth edge between them."""
    t = np.clip(signed_distance / width, 0, 1)
    return t * t * (3 - 2 * t)
