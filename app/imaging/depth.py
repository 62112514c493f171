"""An image with all of its gray values, of which 8 bits would leave few."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

WHITE = 2**16 - 1
_WHITE_OF_BYTES = 255

Deep = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Depth:
    """Gray values, and what they stand for.

    Attributes:
        pixels: uint16 `[height, width]`, from 0, the darkest value of the image, to 65,535, the
            brightest.
        slope: a pixel times this, plus `intercept`, is its value in the image's own units. It is
            negative where what is brighter has the lower values.
        intercept: in the image's units.
        center: of the window through which the image is meant to be seen, in its units.
        width: of that window: it goes from `center - width / 2` to `center + width / 2`.
    """

    pixels: Deep
    slope: float
    intercept: float
    center: float
    width: float


@dataclass(frozen=True)
class Scale:
    """What maps an image's values to 16 bits.

    Attributes:
        low: the lowest value of the image.
        high: the highest.
        inverted: whether what is brighter has the lower values.
    """

    low: float
    high: float
    inverted: bool = False

    def apply(self, values: npt.NDArray[np.floating[Any]]) -> Deep:
        """Values as 16 bits; those beyond the range get its ends."""
        span = (self.high - self.low) or np.inf
        shares = np.clip((values - self.low) / span, 0, 1)
        levels: Deep = np.rint(WHITE * (1 - shares if self.inverted else shares)).astype(np.uint16)
        return levels

    def depth(self, pixels: Deep, black: float, white: float) -> Depth:
        """The image, meant to be seen from `black` to `white`, in its units."""
        slope = ((self.high - self.low) or 1.0) / WHITE
        return Depth(
            pixels,
            slope=-slope if self.inverted else slope,
            intercept=self.high if self.inverted else self.low,
            center=(black + white) / 2,
            # An image of one value has no range.
            width=max(white - black, slope),
        )


def of_bytes(pixels: npt.NDArray[np.uint8]) -> Depth:
    """An image of 8 bits, uint8 `[height, width]`, meant to be seen as it is."""
    deep = pixels.astype(np.uint16) * (WHITE // _WHITE_OF_BYTES)
    return Scale(0, _WHITE_OF_BYTES).depth(deep, 0, _WHITE_OF_BYTES)
