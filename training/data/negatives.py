"""Images that are not upright chest X-rays: what the novelty warning has to catch.

They are drawn, come with a library that the training needs, or are made of real chest X-rays.
"""

import gzip
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pydicom import examples
from sklearn.datasets import load_sample_images

from app.imaging.decode import MODEL_SIDE, to_model_input
from training.data import phantoms

Gray = npt.NDArray[np.uint8]
Draw = Callable[[np.random.Generator], Gray]

COUNT = 40
_SAMPLES = Path(get_data_path()) / "sample_data"
_WORDS = ("File", "Edit", "View", "Patient", "report", "list", "search", "settings", "open", "help")


def unrelated(seed: int) -> dict[str, Gray]:
    """What is no chest X-ray and shows no patient's, `COUNT` images of each kind."""
    draws: dict[str, Draw] = {
        "drawing": _drawing,
        "screenshot": _screenshot,
        "noise": _noise,
        "hand_xray": lambda random: _varied(phantoms.hand(random), random),
        "knee_xray": lambda random: _varied(phantoms.knee(random), random),
        "ct_slice": lambda random: _varied(phantoms.ct_slice(random), random),
    }
    random = np.random.default_rng(seed)
    kinds = {kind: _stack(draw(random) for _ in range(COUNT)) for kind, draw in draws.items()}
    for kind, sources in (("photo", _photos()), ("scanner_slice", _scanner_slices())):
        chosen = islice(cycle(sources), COUNT)
        kinds[kind] = _stack(_varied(source, random) for source in chosen)
    kinds["blank"] = _stack(_blank(level, random) for level in np.linspace(0, 255, COUNT))
    return kinds


def spoilt(xrays: Gray, seed: int) -> dict[str, Gray]:
    """What is made of real chest X-rays uint8 `[N, 224, 224, 1]`, N images of each kind."""
    random = np.random.default_rng(seed)
    return {
        "upside_down": xrays[:, ::-1, ::-1],
        "inverted": 255 - xrays,
        "quarter_turn": np.stack(
            [np.rot90(xray, turns) for xray, turns in zip(xrays, cycle((1, 3)), strict=False)]
        ),
        "corner_crop": _stack(
            _corner(xray[:, :, 0], corner, random.uniform(0.4, 0.5))
            for xray, corner in zip(xrays, cycle(np.ndindex(2, 2)), strict=False)
        ),
        "screenshot_of_an_xray": _stack(_screenshot(random, xray[:, :, 0]) for xray in xrays),
    }


def _stack(images: Iterator[Gray]) -> Gray:
    return np.stack([to_model_input(image) for image in images])


def _photos() -> list[Gray]:
    """Scikit-learn's two sample photos and Matplotlib's, in gray."""
    hopper = cv2.imread(str(_SAMPLES / "grace_hopper.jpg"), cv2.IMREAD_GRAYSCALE)
    photos = load_sample_images().images
    return [hopper, *(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) for photo in photos)]


def _scanner_slices() -> list[Gray]:
    """Real slices: pydicom's CT of 128 and MR of 64 pixels, Matplotlib's MR of 256."""
    with gzip.open(_SAMPLES / "s1045.ima.gz") as file:
        head = np.frombuffer(file.read(), np.uint16).reshape(256, 256)
    slices = examples.ct.pixel_array, examples.mr.pixel_array, head
    return [_windowed(pixels.astype(np.float64)) for pixels in slices]


def _windowed(pixels: npt.NDArray[np.float64]) -> Gray:
    low, high = np.percentile(pixels, (1, 99.5))
    return np.rint(255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)


def _varied(pixels: Gray, random: np.random.Generator) -> Gray:
    """Crop, turn, mirror and expose differently."""
    height, width = pixels.shape
    share = random.uniform(0.7, 1)
    rows, columns = round(share * height), round(share * width)
    top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
    part = pixels[top : top + rows, left : left + columns]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), random.uniform(-12, 12), 1)
    turned = cv2.warpAffine(part, turn, (columns, rows), borderMode=cv2.BORDER_REFLECT)
    exposed = (turned / 255) ** np.exp(random.uniform(-0.4, 0.4)) * random.uniform(0.8, 1)
    return np.rint(255 * exposed).astype(np.uint8)[:, :: random.choice((-1, 1))]


def _noise(random: np.random.Generator) -> Gray:
    """Noise of a random amplitude, correlated over up to a quarter of the image."""
    size = MODEL_SIDE, MODEL_SIDE
    match random.integers(4):
        case 0:
            return random.integers(0, 256, size, np.uint8)
        case 1:
            return (255 * (random.random(size) < random.uniform(0.1, 0.9))).astype(np.uint8)
    field = cv2.GaussianBlur(random.normal(size=size), (0, 0), np.exp(random.uniform(-1, 4)))
    scaled = random.uniform(60, 190) + random.uniform(15, 70) * (field - field.mean()) / field.std()
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _blank(level: float, random: np.random.Generator) -> Gray:
    """One gray, or a gradient from it."""
    y, x = np.mgrid[-1 : 1 : MODEL_SIDE * 1j, -1 : 1 : MODEL_SIDE * 1j]
    angle, slope = random.uniform(0, 2 * np.pi), random.choice((0, 0, 60, 120))
    shape = np.hypot(x, y) if random.random() < 0.3 else np.cos(angle) * x + np.sin(angle) * y
    return np.rint(np.clip(level + slope * shape, 0, 255)).astype(np.uint8)


def _drawing(random: np.random.Generator) -> Gray:
    """Lines, outlines, filled shapes and words, dark on light paper or light on a dark one."""
    paper, ink = (int(random.integers(200, 256)), int(random.integers(0, 90)))[
        :: random.choice((1, 1, -1))
    ]
    page = Image.new("L", (448, 448), paper)
    pen = ImageDraw.Draw(page)
    for _ in range(random.integers(4, 20)):
        x, y = random.integers(0, 400, 2).tolist()
        box = (x, y, x + int(random.integers(20, 200)), y + int(random.integers(20, 200)))
        width = int(random.integers(2, 9))
        fill = int(random.integers(256)) if random.random() < 0.3 else None
        match random.integers(4):
            case 0:
                pen.ellipse(box, fill, ink, width)
            case 1:
                pen.rectangle(box, fill, ink, width)
            case 2:
                path = np.clip(random.normal((x, y), 60, (6, 2)), 0, 447)
                pen.line(path.ravel().tolist(), ink, width, joint="curve")
            case 3:
                font = ImageFont.load_default(int(random.integers(14, 48)))
                pen.text((x, y), str(random.choice(_WORDS)), ink, font)
    return np.asarray(page)


def _screenshot(random: np.random.Generator, xray: Gray | None = None) -> Gray:
    """A desktop of windows with a title bar, rows of text and a panel, which may show an X-ray."""
    dark = random.random() < 0.4
    back, ink = (45, 220) if dark else (240, 30)
    screen = Image.new("L", (960, 640), int(random.integers(60, 200)))
    pen, font = ImageDraw.Draw(screen), ImageFont.load_default(int(random.integers(13, 22)))
    for _ in range(random.integers(1, 4)):
        x, y = int(random.integers(0, 260)), int(random.integers(0, 200))
        right, bottom = x + int(random.integers(480, 700)), y + int(random.integers(320, 440))
        pen.rectangle((x, y, right, bottom), back, ink)
        pen.rectangle((x, y, right, y + 26), int(random.integers(70, 180)))
        pen.text((x + 8, y + 4), " ".join(random.choice(_WORDS, 3)), 255, font)
        for row in range(y + 36, bottom - 24, int(random.integers(22, 34))):
            words = " ".join(random.choice(_WORDS, random.integers(2, 8)))
            pen.text((x + 12, row), words, ink, font)
        side = int(random.integers(160, 280))
        panel = Image.new("L", (side, side), int(random.integers(256)))
        if xray is not None:
            panel = Image.fromarray(xray).resize((side, side))
        screen.paste(panel, (right - side - 14, y + 40))
    return np.asarray(screen)


def _corner(pixels: Gray, corner: tuple[int, ...], share: float) -> Gray:
    """The part of `share` of each side at `corner`, (0, 0) the upper left and (1, 1) the lower
    right."""
    side = round(share * len(pixels))
    rows, columns = (slice(-side, None) if far else slice(side) for far in corner)
    return pixels[rows, columns]
