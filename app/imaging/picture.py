"""An image file's bytes to a picture that a viewer may set the window of."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from app.imaging import decode, depth
from app.imaging.depth import Depth, Scale
from app.imaging.formats import DICOM
from app.imaging.overlay import shrink
from app.imaging.room import Take, unbounded


def picture(
    data: bytes,
    max_side: int,
    max_pixels: int = decode.DEFAULT_MAX_PIXELS,
    take: Take = unbounded,
) -> Depth:
    """Decode a JPEG, PNG, WebP, TIFF, BMP or DICOM file with all of its gray values.

    What is seen through the window that is given is what `decode` gives, and what the model reads.
    Of a DICOM image the values are those of the modality, as `read_dicom` says; where a VOI LUT or
    a sigmoid applies, which no window can stand for, they are what it makes of them.

    Args:
        data: of the file.
        max_side: the picture's longest side is reduced to it, in pixels.
        max_pixels: more are refused.
        take: is told how many pixels are about to be decoded, and may wait.

    Raises:
        ImageError: as `decode` does.
        MemoryError: memory is short.
        ImportError: a decoder could not be loaded.
    """
    image_format = decode.known_format(data)
    if image_format == DICOM:
        # Here, as in `decode`.
        from app.imaging.dicom.grayscale import to_depth
        from app.imaging.dicom.read import read_dicom

        found, _ = read_dicom(data, max_pixels, take, to_depth)
    else:
        with decode.opened(data, image_format, max_pixels, max_side, take) as (image, _):
            found = _depth(image)
    return replace(found, pixels=shrink(found.pixels, max_side))


def _depth(image: Image.Image) -> Depth:
    if not decode.is_deep(image):
        return depth.of_bytes(decode.grayscale(image))
    with np.errstate(over="raise", invalid="raise"):
        values = decode.finite(ImageOps.exif_transpose(image))
        low, high = float(values.min()), float(values.max())
        scale = Scale(low, high, inverted=decode.is_white_zero(image))
        return scale.depth(scale.apply(values), low, high)
