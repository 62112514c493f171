"""Why an image is refused, and the sizes that are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from app.errors import ImageError, UnreadableImageError

MIN_SIDE = 64
# A scan of a few bytes costs a pass over every pixel. Real files have a dozen; libtiff, too, stops
# reading a JPEG at 100.
MOST_SCANS = 100
# What befalls the machine, whatever the image is: the same image may be read a moment later. A
# module that cannot be imported is of these, since short of memory or of file handles none can.
SHORTAGES = (MemoryError, ImportError)

# Found in less than half of the time that `bytes.count` takes.
_START_OF_SCAN = re.compile(rb"\xff\xda")
# Decoders in C tell in words only: Pillow "out of memory error", libjpeg "Insufficient memory".
_OUT_OF_MEMORY = re.compile(r"(out of|insufficient|not enough) memory", re.IGNORECASE)


@contextmanager
def blaming_the_image(message: str) -> Iterator[None]:
    """Have whatever the block raises mean that the image is broken, but for a shortage.

    Libraries answer malformed bytes with errors of many types. Whatever they raise while they read
    the client's bytes, it is those bytes that are broken.

    Args:
        message: of the error; it quotes no content.

    Raises:
        UnreadableImageError: the block failed.
        ImageError: as the block raised it.
        MemoryError: memory is short, also where a decoder says so in its own way.
        ImportError: as the block raised it.
    """
    try:
        yield
    except (ImageError, *SHORTAGES):
        raise
    except Exception as error:
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from error
        raise UnreadableImageError(message) from error


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
