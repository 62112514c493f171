"""An image file's bytes to grayscale pixels, for the service and for training alike."""

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import sqrt

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, TiffTags  # noqa: F401  (registers the tag names)
from PIL.JpegImagePlugin import JpegImageFile

from app.codes import AgeGroup, View, WarningCode
from app.errors import UnreadableImageError, UnsupportedFormatError
from app.imaging import jpeg, overhead
from app.imaging.errors import (
    MOST_SCANS,
    blaming_the_image,
    check_not_too_many,
    check_not_too_small,
    has_too_many_scans,
)
from app.imaging.formats import DICOM, format_of
from app.imaging.room import Take, unbounded

MODEL_SIDE = 224
DEFAULT_MAX_PIXELS = 40_000_000
DEFAULT_PICTURE_SIDE = 1024

MULTIPLE_FRAMES = WarningCode.MULTIPLE_FRAMES
LOW_RESOLUTION = WarningCode.LOW_RESOLUTION

# The size is checked against our own limit, between reading the header and the pixels.
Image.MAX_IMAGE_PIXELS = None

# TIFF 6.0, sections 8 and 15.
_PHOTOMETRIC_INTERPRETATION = 262
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_WHITE_IS_ZERO = 0
# With Huffman codes, or with arithmetic ones.
_KINDS = (jpeg.BASELINE, jpeg.EXTENDED, jpeg.PROGRESSIVE, 0xC9, 0xCA)
# EXIF 2.32, 4.6.4: the orientations that exchange rows and columns.
_LYING = (5, 6, 7, 8)


@dataclass(frozen=True)
class Radiograph:
    """A decoded image.

    Attributes:
        pixels: uint8 `[h, w]`, upright, higher is brighter: the whole image, or a large JPEG at a
            half, a quarter or an eighth of its size.
        width: of the image, in pixels, upright.
        height: likewise.
        format: `JPEG`, `PNG`, `WEBP`, `TIFF`, `BMP` or `DICOM`, told by content.
        sha256: of the file's bytes, in hexadecimal.
        warnings: what its file or its size tells against it.
        view: of a DICOM image, what it says; None of others.
        age_group: of the patient, likewise.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
    format: str
    sha256: str
    warnings: tuple[WarningCode, ...] = ()
    view: View | None = None
    age_group: AgeGroup | None = None


def decode(
    data: bytes,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    picture_side: int = DEFAULT_PICTURE_SIDE,
    take: Take = unbounded,
) -> Radiograph:
    """Decode a JPEG, PNG, WebP, TIFF, BMP or DICOM file.

    A JPEG is decoded straight to the one of the sizes that its transform offers whose longest side
    is nearest, as a ratio, to `picture_side`, but not to less than twice what the model takes. A
    DICOM image is shown as `read_dicom` says. Of the others, colour becomes luma (ITU-R 601),
    transparency is laid over black as an unexposed film's background would be, more than 8 bits
    are stretched from the image's own minimum and maximum, and the EXIF orientation is applied.

    Raises:
        UnsupportedFormatError: the bytes are of no such type.
        UnreadableImageError: broken, truncated, a side under 64 pixels, over `max_pixels`, or a
            DICOM object that is no projection radiograph.
        MemoryError: memory is short.
        ImportError: a decoder could not be loaded.

    `take` is told how many pixels are about to be decoded, and may wait.
    """
    image_format = known_format(data)
    view, age_group = None, None
    if image_format == DICOM:
        # Here, since pydicom takes 24 MB and a tenth of a second of a start that may never need it.
        from app.imaging.dicom.age import age_group_of
        from app.imaging.dicom.anatomy import view_of
        from app.imaging.dicom.grayscale import to_gray
        from app.imaging.dicom.read import read_dicom

        (pixels, view, age_group), warnings = read_dicom(
            data,
            max_pixels,
            take,
            lambda stored, dataset: (
                to_gray(stored, dataset),
                view_of(dataset),
                age_group_of(dataset),
            ),
        )
        height, width = pixels.shape
    else:
        pixels, (width, height), warnings = _read(
            data, image_format, max_pixels, picture_side, take
        )
    if min(width, height) < MODEL_SIDE:
        warnings = (*warnings, LOW_RESOLUTION)
    sha256 = hashlib.sha256(data).hexdigest()
    return Radiograph(
        pixels, width, height, image_format, sha256, warnings, view=view, age_group=age_group
    )


def to_model_input(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Resize uint8 `[height, width]` to the model's `[224, 224, 1]`.

    The aspect ratio is not kept, and the filter is Pillow's antialiased bilinear one: just as the
    training images were made.
    """
    resized = Image.fromarray(pixels).resize((MODEL_SIDE, MODEL_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(resized)[:, :, np.newaxis]


def known_format(data: bytes) -> str:
    """The format of a file's bytes, as `formats.format_of` tells it.

    Raises:
        UnsupportedFormatError: it is none that is read.
    """
    image_format = format_of(data)
    if image_format is None:
        raise UnsupportedFormatError("The file is not a JPEG, PNG, WebP, TIFF, BMP or DICOM image.")
    return image_format


def _read(
    data: bytes, image_format: str, max_pixels: int, picture_side: int, take: Take
) -> tuple[npt.NDArray[np.uint8], tuple[int, int], tuple[WarningCode, ...]]:
    """The pixels, the upright size and the warnings of a file of a type that Pillow reads."""
    with opened(data, image_format, max_pixels, picture_side, take) as (image, full):
        # Not `n_frames`, for which a TIFF's every directory would be read.
        several = getattr(image, "is_animated", False)
        pixels = grayscale(image)
    return pixels, full or pixels.shape[::-1], (MULTIPLE_FRAMES,) if several else ()


@contextmanager
def opened(
    data: bytes, image_format: str, max_pixels: int, picture_side: int, take: Take
) -> Iterator[tuple[Image.Image, tuple[int, int] | None]]:
    """A file of a type that Pillow reads, checked, with the room for its pixels taken.

    The block decodes it. Where that fails, the image is to blame.

    Yields:
        The image, and of a JPEG, which may be drafted at a smaller scale, its upright size.

    Raises:
        ImageError: as `decode` does.
        MemoryError: memory is short.
    """
    if image_format == "JPEG" and has_too_many_scans(data):
        raise UnreadableImageError(f"The JPEG image has more than {MOST_SCANS} scans.")
    overhead.check_parts(data, image_format)
    if image_format == "JPEG":
        _check_kind(data)
    message = f"The {image_format} image is broken or truncated."
    with (
        blaming_the_image(message),
        Image.open(BytesIO(data), formats=[image_format]) as image,
    ):
        _check_size(image, max_pixels)
        if image_format == "JPEG":
            overhead.check_scans(data, image.width * image.height)
        full = _draft(image, picture_side) if isinstance(image, JpegImageFile) else None
        # Of a JPEG as many as its draft has.
        take(image.width * image.height)
        yield image, full


def _check_kind(data: bytes) -> None:
    """Tell a JPEG that is whole, but of a kind that is not read, from a broken one."""
    try:
        header = jpeg.header_of(data)
    # Where it is broken, the decoder says so.
    except (ValueError, IndexError, struct.error):
        return
    if header.kind not in _KINDS or header.precision != 8:
        raise UnsupportedFormatError(
            "This kind of JPEG is not read; send it as baseline or progressive, of 8 bits."
        )


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    # A TIFF's tile is decoded whole, however little of it the image shows.
    tags = getattr(image, "tag_v2", {})
    for w, h in ((width, height), (tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0))):
        check_not_too_many(w, h, max_pixels)
    check_not_too_small(width, height)


def _draft(image: JpegImageFile, picture_side: int) -> tuple[int, int]:
    """Have a JPEG decoded at a reduced scale, and without its chroma; returns its upright size."""
    width, height = image.size
    # Pillow takes the next smaller power of two, up to 8. From sqrt(2) on, the next one is nearer.
    nearest = sqrt(2) * max(width, height) / picture_side
    scale = min(nearest, min(width, height) / (2 * MODEL_SIDE))
    image.draft("L", (int(width / scale), int(height / scale)))
    lying = image.getexif().get(ExifTags.Base.Orientation) in _LYING
    return (height, width) if lying else (width, height)


def grayscale(image: Image.Image) -> npt.NDArray[np.uint8]:
    """An image as `decode` shows it, uint8 `[height, width]`, upright."""
    upright = ImageOps.exif_transpose(image)
    if is_deep(image):
        return _stretch(upright, inverted=is_white_zero(image))
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "black"), layer)
    if upright.mode == "CMYK":
        upright = upright.convert("RGB")
    return np.asarray(upright.convert("L"))


def is_deep(image: Image.Image) -> bool:
    """Whether its gray values have more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def is_white_zero(image: Image.Image) -> bool:
    """Whether what is brighter has the lower values, as a TIFF may say."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO


def finite(image: Image.Image) -> npt.NDArray[np.float32]:
    """The values of an image of more than 8 bits, float32 `[height, width]`."""
    return np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)


def _stretch(image: Image.Image, *, inverted: bool) -> npt.NDArray[np.uint8]:
    # A range that float32 does not hold fails, rather than coming out black.
    with np.errstate(over="raise", invalid="raise"):
        values = finite(image)
        values -= values.min()
        values *= 255.0 / (float(values.max()) or 1.0)
        pixels = np.rint(values).astype(np.uint8)
    return 255 - pixels if inverted else pixels
