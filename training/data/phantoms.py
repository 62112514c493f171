"""Drawn radiographs of a chest, a hand and a knee, and a CT slice, so that no patient's are needed.

A chest is drawn as the eye sees it, a hand and a knee as their physics has them: rods of bone and
flesh, whose thicknesses add up along the beam and attenuate it exponentially. Lengths are in half
image sides, `x` to the right and `y` down, (0, 0) the centre.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Point = Sequence[float] | npt.NDArray[np.float64]
Rod = tuple[Point, Point, float]

# Drawn larger than the model's side, so that edges are smooth.
_SIDE = 320
_Y, _X = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j].astype(np.float32)

# From the index to the little finger: the metacarpal's foot, the direction in degrees, the length.
_FINGERS = ((-0.17, -12.0, 0.95), (-0.06, -3.0, 1.05), (0.05, 5.0, 0.98), (0.15, 14.0, 0.8))
# A finger's bones: length and radius.
_PHALANGES = ((0.37, 0.046), (0.26, 0.04), (0.17, 0.034), (0.11, 0.027))
_THUMB = ((0.26, 0.05), (0.2, 0.044), (0.14, 0.034))
_JOINT = 0.022


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


def hand(random: np.random.Generator) -> Gray:
    """A hand radiograph, fingers up, uint8 `[320, 320]`."""
    bone, flesh = np.zeros((2, _SIDE, _SIDE), np.float32)
    spread = random.uniform(0.7, 1.6)
    fingers = [((foot, 0.4), spread * angle, size, _PHALANGES) for foot, angle, size in _FINGERS]
    thumb = (-0.25, 0.44), random.uniform(-55, -35), 1.0, _THUMB
    for foot, angle, size, bones in (*fingers, thumb):
        toward = np.sin(np.radians(angle)), -np.cos(np.radians(angle))
        start = np.array(foot)
        for length, radius in bones:
            end = start + np.multiply(toward, length * size * random.uniform(0.95, 1.05))
            bone += _bone((start, end, radius))
            flesh = np.maximum(flesh, _rod(start, end, 2.2 * radius))
            start = end + np.multiply(toward, _JOINT + 1.2 * radius)
    for column, row in np.ndindex(4, 2):
        centre = np.array((-0.19 + 0.115 * column, 0.49 + 0.12 * row)) + random.normal(0, 0.01, 2)
        bone += 0.6 * _bone((centre, centre + random.normal(0, 0.02, 2), 0.058))
    bone += 0.7 * _bone(((-0.11, 0.79), (-0.08, 1.9), 0.11))
    bone += 0.8 * _bone(((0.11, 0.8), (0.1, 1.9), 0.07))
    palm = np.maximum(_rod((-0.08, 0.15), (0.04, 0.15), 0.27), _rod((0, 0.3), (0, 2), 0.25))
    flesh = cv2.GaussianBlur(np.maximum(flesh, palm), (0, 0), 5)
    return _film(10 * bone + 1.8 * flesh, random)


def knee(random: np.random.Generator) -> Gray:
    """A knee radiograph from the front, uint8 `[320, 320]`."""
    gap, size = random.uniform(0.0, 0.04), random.uniform(0.9, 1.1)
    femur = [((0.0, -2.0), (0.0, -0.4), 0.19 * size)]
    tibia = [((0.0, 0.42), (-0.04, 2.0), 0.18 * size), ((0.0, 0.22), (0.0, 0.4), 0.19 * size)]
    for side in (-1, 1):
        femur.append(((0.05 * side, -0.5), (0.19 * side * size, -0.16 - gap), 0.17 * size))
        tibia.append(((0.05 * side, 0.16), (0.22 * side * size, 0.14), 0.12 * size))
    bone = _bone(*femur) + _bone(*tibia)
    bone += 0.7 * _bone(((0.29, 0.33), (0.32, 2.0), 0.07))
    bone += 0.4 * _bone(((0.02, -0.4), (0.02, -0.35), 0.15 * size))
    limbs = (
        _rod((0, -2), (0, -0.4), random.uniform(0.5, 0.7)),
        _rod((0, -0.3), (0, 0.3), random.uniform(0.42, 0.48)),
        _rod((0, 0.5), (0, 2), random.uniform(0.45, 0.55)),
    )
    flesh = cv2.GaussianBlur(np.maximum.reduce(limbs), (0, 0), 9)
    return _film(3.5 * bone + 0.9 * flesh, random)


def ct_slice(random: np.random.Generator) -> Gray:
    """An axial CT slice of a chest in a window that shows lung and bone, uint8 `[320, 320]`."""
    wide, high = random.uniform(0.78, 0.92), random.uniform(0.52, 0.68)
    slice_ = np.zeros((_SIDE, _SIDE), np.float32)
    _paint(slice_, (0, 0), (wide, high), 0.38)
    _paint(slice_, (0, 0), (0.94 * wide, 0.92 * high), 0.56)
    for side in (-1, 1):
        lung = side * 0.45 * wide, -0.04 * high
        _paint(slice_, lung, (0.36 * wide, 0.7 * high), 0.1)
        for _ in range(40):
            vessel = np.add(lung, random.uniform(-0.5, 0.5, 2) * (0.5 * wide, high))
            _paint(slice_, vessel, random.uniform(0.006, 0.02, 2), random.uniform(0.3, 0.55))
    _paint(slice_, (0.1 * wide, -0.15 * high), (0.3 * wide, 0.42 * high), 0.6)
    _paint(slice_, (-0.03, 0.32 * high), (0.06, 0.07), random.uniform(0.6, 0.85))
    for angle in np.radians(np.arange(10, 360, 25) + random.uniform(0, 20)):
        place = 0.84 * wide * np.cos(angle), 0.82 * high * np.sin(angle)
        _paint(slice_, place, (0.03, 0.1), 0.95, np.degrees(angle) + random.uniform(-20, 20))
    _paint(slice_, (0, 0.56 * high), (0.12, 0.1), 0.92)
    _paint(slice_, (0, 0.76 * high), (0.05, 0.05), 0.5)
    _paint(slice_, (0, 0.87 * high), (0.03, 0.1), 0.95)
    _paint(slice_, (0, -0.86 * high), (0.1, 0.035), 0.9)
    table = np.abs(_Y - 1.04 * high - 0.06 * (1 - _X**2)) < 0.012
    return _noisy(np.where(table, 0.6, slice_), random, 0.03)


def _rod(start: Point, end: Point, radius: float, waist: float = 1.0) -> Floats:
    """The thickness of a rod with round ends along the beam; `waist` is what is left halfway."""
    # Python's numbers leave the images in float32.
    (left, top), (right, down) = np.asarray(start).tolist(), np.subtract(end, start).tolist()
    x, y = _X - left, _Y - top
    along = np.clip((x * right + y * down) / max(right**2 + down**2, 1e-9), 0, 1)
    squared = (x - along * right) ** 2 + (y - along * down) ** 2
    radii = radius * (waist + (1 - waist) * (2 * along - 1) ** 4)
    return np.sqrt(np.maximum(radii**2 - squared, 0))


def _bone(*rods: Rod) -> Floats:
    """A bone of one or more rods: flared ends, a dense cortex, a marrow that stops few rays."""
    outer = [_rod(start, end, radius, 0.7) for start, end, radius in rods]
    inner = [_rod(start, end, 0.76 * radius, 0.62) for start, end, radius in rods]
    return np.maximum.reduce(outer) - 0.75 * np.maximum.reduce(inner)


def _paint(image: Floats, centre: Point, radii: Point, value: float, turn: float = 0.0) -> None:
    """Fill an ellipse, `turn` degrees clockwise."""
    pixels = (_SIDE - 1) / 2
    x, y = np.rint((np.asarray(centre) + 1) * pixels).astype(int)
    axes = np.maximum(np.rint(np.asarray(radii) * pixels), 1).astype(int)
    cv2.ellipse(image, (int(x), int(y)), axes.tolist(), turn, 0, 360, value, -1)


def _film(attenuation: Floats, random: np.random.Generator) -> Gray:
    """Expose, with scattered rays and a side marker."""
    scattered = cv2.GaussianBlur(attenuation, (0, 0), 12)
    exposed = 1 - np.exp(-random.uniform(1.2, 1.8) * (0.85 * attenuation + 0.15 * scattered))
    film = _noisy(exposed, random, 0.02)
    marker = str(random.choice(("L", "R")))
    place = int(random.integers(15, 60)), int(random.integers(40, 110))
    cv2.putText(film, marker, place, cv2.FONT_HERSHEY_SIMPLEX, 1, 240, 3, cv2.LINE_AA)
    return film


def _noisy(image: Floats, random: np.random.Generator, amplitude: float) -> Gray:
    """Blur and add the detector's grain to 0..1, for uint8 0..255."""
    grain = cv2.GaussianBlur(random.normal(0, 2.5 * amplitude, image.shape), (0, 0), 1)
    sharp = cv2.GaussianBlur(image, (0, 0), random.uniform(0.8, 2))
    return np.rint(255 * np.clip(sharp + grain, 0, 1)).astype(np.uint8)


def _soft(signed_distance: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.float64]:
    """0 outside a shape, 1 inside, and a smooth edge between them."""
    t = np.clip(signed_distance / width, 0, 1)
    return t * t * (3 - 2 * t)
