"""How much a reader takes on, and what it does not read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one reader may hold.

    Attributes:
        max_pixels: of one image.
        max_pixels_at_once: of all images that are decoded at once; others wait.
        max_in_flight: requests that are admitted at once.
        max_bytes_in_flight: bytes of their bodies.
        picture_side: the longest side of an overlay, in pixels.
        refuse_unsuitable: whether an image without lungs is an error, or an answer of no label.
    """

    max_pixels: int = 40_000_000
    max_pixels_at_once: int = 40_000_000
    max_in_flight: int = 64
    max_bytes_in_flight: int = 256 * 2**20
    picture_side: int = 1024
    refuse_unsuitable: bool = True
