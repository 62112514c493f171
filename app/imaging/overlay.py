"""A Grad-CAM map laid over the radiograph that it explains."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Target = Literal["pneumonia", "normal"]
MediaType = Literal["image/png", "image/jpeg"]

# Below this share of the map's peak the radiograph shows through untouched.
_TRANSPARENT_BELOW = 0.2
_MOST_OPAQUE = 0.55
_ENCODING: dict[str, tuple[str, list[int]]] = {
    "image/png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]),
    "image/jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]),
}


def overlay(
    pixels: npt.NDArray[np.uint8], cam: npt.NDArray[np.float32], target: Target, max_side: int
) -> npt.NDArray[np.uint8]:
    """Lay what argues for `target` over the radiograph, in the inferno colour map.

    Args:
        pixels: uint8 `[height, width]`.
        cam: the model's `cam` output, float32 `[h, w]`.
        target: ReLU(cam) argues for pneumonia, ReLU(-cam) for normal (Selvaraju 2017,
            arXiv:1610.02391, section 3.3). Either is shown relative to the peak of |cam|, so
            that a label with little to be said for it gets little colour.
        max_side: the picture's longest side is reduced to it, in pixels.

    Returns:
        uint8 `[height, width, 3]`, in OpenCV's BGR order, of the radiograph's aspect ratio.
    """
    picture = _shrink(pixels, max_side)
    height, width = picture.shape
    peak = max(float(np.abs(cam).max()), float(np.finfo(np.float32).tiny))
    evidence = (cam if target == "pneumonia" else -cam) / peak
    smooth = cv2.resize(evidence, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap(np.rint(smooth * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    alpha = _MOST_OPAQUE * ((smooth - _TRANSPARENT_BELOW) / (1 - _TRANSPARENT_BELOW)).clip(0)
    gray = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    blended: npt.NDArray[np.uint8] = cv2.blendLinear(
        colours, gray, alpha.astype(np.float32), (1 - alpha).astype(np.float32)
    )
    return blended


def encode(picture: npt.NDArray[np.uint8], media_type: MediaType) -> bytes:
    """Encode uint8 `[height, width, 3]` (BGR) as PNG or JPEG."""
    suffix, options = _ENCODING[media_type]
    _, encoded = cv2.imencode(suffix, picture, options)
    return encoded.tobytes()


def _shrink(pixels: npt.NDArray[np.uint8], max_side: int) -> npt.NDArray[np.uint8]:
    scale = max_side / max(pixels.shape)
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    shrunk: npt.NDArray[np.uint8] = cv2.resize(
        pixels, (width, height), interpolation=cv2.INTER_AREA
    )
    return shrunk
