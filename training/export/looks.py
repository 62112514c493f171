"""The same images with softer and with sharper detail, as another detector would show them."""

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]

# In pixels of 224, a Gaussian's deviation; and how much of what it takes away is taken or added.
_SIGMA = 1.0
_SHARE = 0.5


def looks(pixels: Gray) -> list[Gray]:
    """Images uint8 `[N, h, w, 1]` as they are, softened and sharpened.

    A detector's software may halve the finest detail or add as much; what is calibrated on images
    as they are alone then lies off on all of the next hospital's.
    """
    return [
        pixels,
        *(np.stack([_changed(image, share) for image in pixels]) for share in (-_SHARE, _SHARE)),
    ]


def _changed(image: Gray, share: float) -> Gray:
    fine = image[..., 0].astype(np.float32)
    fine += share * (fine - cv2.GaussianBlur(fine, (0, 0), _SIGMA))
    return np.rint(np.clip(fine, 0, 255)).astype(np.uint8)[..., np.newaxis]
