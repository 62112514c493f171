"""Why an image is refused, and the sizes that are."""

import re
from itertools import islice

MIN_SIDE = 64
# A scan of a few bytes costs a pass over every pixel. Real files have a dozen; libtiff, too, stops
# reading a JPEG at 100.
MOST_SCANS = 100

# Found in less than half of the time that `bytes.count` takes.
_START_OF_SCAN = re.compile(rb"\xff\xda")


class ImageError(ValueError):
    """The client's image cannot be read. The message is safe to show: it quotes no content."""


class UnsupportedFormatError(ImageError):
    """The bytes are not of an image type that we read."""


class UnreadableImageError(ImageError):
    """The image is of a type that we read, but broken, truncated, or none that we can use."""


def check_not_too_many(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image by its declared size, before its pixels are decoded.

    Raises:
        UnreadableImageError: more pixels than `max_pixels`.
    """
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"The image declares {width} x {height} pixels; at most {max_pixels:,} are read."
        )


def check_not_too_small(width: int, height: int) -> None:
    """Refuse an image in which there is nothing to be seen.

    Raises:
        UnreadableImageError: a side under 64 pixels.
    """
    if min(width, height) < MIN_SIDE:
        raise UnreadableImageError(
            f"The image is {width} x {height} pixels; each side needs at least {MIN_SIDE}."
        )


def has_too_many_scans(jpeg: bytes, most: int = MOST_SCANS) -> bool:
    """Whether a JPEG or JPEG-LS codestream has more scans than that."""
    return any(islice(_START_OF_SCAN.finditer(jpeg), most, None))
