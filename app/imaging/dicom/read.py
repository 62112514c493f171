"""A DICOM file's bytes to grayscale pixels, where it holds one projection radiograph."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from pydicom import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from app.codes import WarningCode
from app.errors import UnreadableImageError
from app.host import process
from app.imaging.dicom import attributes
from app.imaging.dicom import file as dicom_file
from app.imaging.dicom.anatomy import is_another_part, is_lateral
from app.imaging.dicom.codecs import decode_frame
from app.imaging.dicom.grayscale import contradicts_itself
from app.imaging.dicom.stored import Stored
from app.imaging.errors import blaming_the_image, check_not_too_many, check_not_too_small
from app.imaging.room import Take

S = TypeVar("S")

LATERAL_VIEW = WarningCode.LATERAL_VIEW
NOT_A_CHEST = WarningCode.NOT_A_CHEST

# PS3.3, C.7.3.1.1.1. A room with fluoroscopy sends its chest images as RF, digitised films are RG,
# and what captures a screen or a film says OT, SC or nothing.
MODALITIES = ("CR", "DX", "RF", "RG", "OT", "SC")
SOP_CLASSES = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    XRayRadiofluoroscopicImageStorage,
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)
_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
_NUMBERS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)

# What is read of a deflated file that is not its pixels.
_MOST_HEADER = 2**20
_MOST_BYTES_A_PIXEL = 3


def read_dicom(
    data: bytes, max_pixels: int, take: Take, see: Callable[[Stored, Dataset], S]
) -> tuple[S, tuple[WarningCode, ...]]:
    """Decode a DICOM file of one radiograph, as it is meant to be seen.

    The modality LUT and the first VOI LUT or window are applied. Without these, 8 bits stay as
    they are, and of more bits all but the darkest and the brightest 0.5 % of the pixels are
    stretched. MONOCHROME1 is inverted, padding is black, colour becomes luma.

    Attributes that tell the view or the body part only warn, as they are often wrong. Optional ones
    that cannot be read count as absent.

    Args:
        data: of the file.
        max_pixels: more are refused.
        take: is told how many pixels are about to be decoded, and may wait.
        see: what is made of the stored values and the attributes, such as `grayscale.to_gray`.

    Returns:
        What `see` gives, and what the attributes tell against it.

    Raises:
        UnreadableImageError: broken, truncated, compressed in a way that is not read, no image, of
            several frames or of another modality than projection radiography, a side under 64
            pixels, or over `max_pixels`.
        MemoryError: memory is short.
        ImportError: a decoder could not be loaded.
    """
    process.accept_invalid_values()
    with blaming_the_image("The DICOM image is broken or truncated."):
        dataset = dicom_file.read(data, most_inflated(max_pixels))
        _check_object(dataset)
        _check_pixels(dataset, max_pixels)
        take(dataset.Columns * dataset.Rows)
        return see(decode_frame(dataset), dataset), tuple(_warnings(dataset))


def most_inflated(max_pixels: int) -> int:
    """As many bytes as a deflated file of so many pixels may have."""
    return max_pixels * _MOST_BYTES_A_PIXEL + _MOST_HEADER


def _check_object(dataset: Dataset) -> None:
    object_classes = attributes.values(dataset, "SOPClassUID")
    modalities = (str(name).strip().upper() for name in attributes.values(dataset, "Modality"))
    if not (
        set(filter(None, object_classes)) <= set(SOP_CLASSES)
        and set(filter(None, modalities)) <= set(MODALITIES)
    ):
        raise UnreadableImageError(
            "The DICOM object is no projection radiograph; send a CR, DX or Secondary Capture "
            "image."
        )
    if "PixelData" not in dataset:
        raise UnreadableImageError("The DICOM file holds no image, or not all of it.")
    if (attributes.whole(dataset, "NumberOfFrames") or 1) > 1:
        raise UnreadableImageError("The DICOM image has several frames; send one of them.")


def _check_pixels(dataset: Dataset, max_pixels: int) -> None:
    for name in _NUMBERS:
        numbers = attributes.values(dataset, name)
        if len(numbers) != 1 or not isinstance(numbers[0], int):
            raise UnreadableImageError(f"The DICOM image's {name} is missing or no number.")
    photometric = attributes.code(dataset, "PhotometricInterpretation")
    if _SAMPLES.get(photometric) != dataset.SamplesPerPixel:
        raise UnreadableImageError(
            "The DICOM image's PhotometricInterpretation is missing, or not one that is read."
        )
    stored, allocated = dataset.BitsStored, dataset.BitsAllocated
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise UnreadableImageError("The DICOM image does not have 8 to 16 bits.")
    check_not_too_many(dataset.Columns, dataset.Rows, max_pixels)
    check_not_too_small(dataset.Columns, dataset.Rows)


def _warnings(dataset: Dataset) -> Iterator[WarningCode]:
    if is_lateral(dataset):
        yield LATERAL_VIEW
    if is_another_part(dataset):
        yield NOT_A_CHEST
    if contradicts_itself(dataset):
        yield WarningCode.CONTRADICTING_POLARITY
    if attributes.code(dataset, "BurnedInAnnotation") == "YES":
        yield WarningCode.BURNED_IN_ANNOTATION
