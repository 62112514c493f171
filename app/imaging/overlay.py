"""A Grad-CAM map laid over the radiograph that it explains."""

from collections.abc import Sequence
from typing import Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Target = Literal["pneumonia", "normal"]
MediaType = Literal["image/png", "image/jpeg"]
G = TypeVar("G", np.uint8, np.uint16)

# Below this share of the map's peak the radiograph shows through untouched.
_TRANSPARENT_BELOW = 0.2
_MOST_OPAQUE = 0.55
# By the evidence's level: the colour that is added, and what the radiograph keeps, in 255ths.
_LEVELS = np.arange(256, dtype=np.uint8).reshape(256, 1)
_ALPHA = _MOST_OPAQUE * ((_LEVELS / 255 - _TRANSPARENT_BELOW) / (1 - _TRANSPARENT_BELOW)).clip(0)
_INFERNO = cv2.applyColorMap(_LEVELS, cv2.COLORMAP_INFERNO)
_TINT = np.rint(_INFERNO * _ALPHA[:, :, np.newaxis]).astype(np.uint8)
_CLEARNESS = np.rint(255 * (1 - _ALPHA)).astype(np.uint8)
# Neither the radiograph's gray nor any of inferno's colours come near it. In BGR order.
_CYAN = 255, 210, 0
# As wide as this part of the picture's longest side, and at least a pixel.
_LINES = 640
# Curves are drawn with a sixteenth of a pixel's precision.
_FRACTION_BITS = 4
_FIXED_POINT = 1 << _FRACTION_BITS
_ENCODING: dict[str, tuple[str, list[int]]] = {
    "image/png": (
        ".png",
        [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP],
    ),
    "image/jpeg": (
        ".jpg",
        [
            *(cv2.IMWRITE_JPEG_QUALITY, 95),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        ],
    ),
}


def overlay(
    pixels: npt.NDArray[np.uint8],
    cam: npt.NDArray[np.float32],
    target: Target,
    max_side: int,
    contours: Sequence[npt.NDArray[np.float32]] = (),
) -> npt.NDArray[np.uint8]:
    """Lay what argues for `target` over the radiograph, in the inferno colour map.

    Args:
        pixels: uint8 `[height, width]`.
        cam: the model's `cam` output, float32 `[h, w]`.
        target: what the colours argue for, as `levels` has it.
        max_side: the picture's longest side is reduced to it, in pixels.
        contours: closed curves, drawn as thin lines; each float32 `[points, 2]`, x and y in shares
            of the image's width and height.

    Returns:
        uint8 `[height, width, 3]`, in OpenCV's BGR order, of the radiograph's aspect ratio.
    """
    picture = shrink(pixels, max_side)
    height, width = picture.shape
    level = levels(cam, target, (width, height))
    veiled = cv2.multiply(picture, cv2.LUT(level, _CLEARNESS), scale=1 / 255)
    blended: npt.NDArray[np.uint8] = cv2.add(
        cv2.applyColorMap(level, _TINT), cv2.cvtColor(veiled, cv2.COLOR_GRAY2BGR)
    )
    _draw(blended, contours)
    return blended


def levels(
    cam: npt.NDArray[np.float32], target: Target, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """How much each pixel argues for `target`.

    Args:
        cam: the model's `cam` output, float32 `[h, w]`.
        target: ReLU(cam) argues for pneumonia, ReLU(-cam) for normal (Selvaraju 2017,
            arXiv:1610.02391, section 3.3).
        size: width and height of the result, in pixels.

    Returns:
        uint8 `[height, width]`, in 255ths of the peak of |cam|, so that a label with little to be
        said for it has low levels.
    """
    peak = max(float(np.abs(cam).max()), float(np.finfo(np.float32).tiny))
    evidence = (cam if target == "pneumonia" else -cam) / peak
    smooth = cv2.resize(evidence, size, interpolation=cv2.INTER_CUBIC)
    level: npt.NDArray[np.uint8] = cv2.convertScaleAbs(cv2.max(smooth, 0), alpha=255)
    return level


def encode(picture: npt.NDArray[np.uint8], media_type: MediaType) -> bytes:
    """Encode uint8 `[height, width, 3]` (BGR) as PNG or JPEG."""
    suffix, options = _ENCODING[media_type]
    _, encoded = cv2.imencode(suffix, picture, options)
    return encoded.tobytes()


def _draw(picture: npt.NDArray[np.uint8], contours: Sequence[npt.NDArray[np.float32]]) -> None:
    """Draw closed curves onto uint8 `[height, width, 3]`."""
    height, width, _ = picture.shape
    size = np.array((width, height))
    # OpenCV's coordinates are those of the pixels' middles, and it draws nothing beyond these.
    middles = [np.clip(curve * size - 0.5, 0, size - 1) for curve in contours]
    curves = [np.rint(_FIXED_POINT * middle).astype(np.int32) for middle in middles]
    thickness = max(1, round(max(height, width) / _LINES))
    cv2.polylines(picture, curves, True, _CYAN, thickness, cv2.LINE_AA, _FRACTION_BITS)


def shrink(pixels: npt.NDArray[G], max_side: int) -> npt.NDArray[G]:
    """Reduce `[height, width]` until its longest side is `max_side`, if it is longer."""
    scale = max_side / max(pixels.shape)
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    shrunk: npt.NDArray[G] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return shrunk
