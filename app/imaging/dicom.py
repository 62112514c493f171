"""A DICOM file's bytes to grayscale pixels, where it holds one projection radiograph."""

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
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
from app.imaging import dicom_file
from app.imaging.dicom_codecs import decode_frame
from app.imaging.errors import (
    ImageError,
    UnreadableImageError,
    check_not_too_many,
    check_not_too_small,
)
from app.imaging.grayscale import to_gray
from app.imaging.room import Take, unbounded

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

# LLD and RLD are frontal views of a patient who lies on a side (PS3.3, C.8.1.1.1 and C.8.11.5).
_LATERAL = re.compile(r"(LL|RL|([LR](EFT|IGHT)?[ _]?)?LAT(ERAL)?)")
_CHEST = re.compile(r"CHEST|THORAX|LUNG")
# SNOMED CT, and SNOMED RT as older files have it (PS3.16, CID 4010 and 4031).
_LATERAL_CODES = {"399067008", "399173006", "399198007", "R-102CD", "R-10236", "R-10232"}
_CHEST_CODES = {
    *("816094009", "51185008", "T-D3000"),  # chest, thorax
    *("43799004", "T-D3200"),  # thoracic cavity
    *("39607008", "T-28000"),  # lung
    *("416550000", "417437006"),  # chest and abdomen, neck and chest
}
_SNOMED = ("SCT", "SRT", "SNM3", "99SDM")
# What is read of a deflated file that is not its pixels.
_MOST_HEADER = 2**20
_MOST_BYTES_A_PIXEL = 3


def read_dicom(
    data: bytes, max_pixels: int, take: Take = unbounded
) -> tuple[npt.NDArray[np.uint8], tuple[WarningCode, ...]]:
    """Decode a DICOM file of one radiograph, as it is meant to be seen.

    The modality LUT and the first VOI LUT or window are applied. Without these, 8 bits stay as
    they are, and of more bits all but the darkest and the brightest 0.5 % of the pixels are
    stretched. MONOCHROME1 is inverted, padding is black, colour becomes luma.

    Attributes that tell the view or the body part only warn, as they are often wrong.

    Returns:
        uint8 `[height, width]`, and what the attributes tell against it.

    Raises:
        UnreadableImageError: broken, truncated, compressed in a way that is not read, no image, of
            several frames or of another modality than projection radiography, a side under 64
            pixels, or over `max_pixels`.
    """
    try:
        dataset = dicom_file.read(data, max_pixels * _MOST_BYTES_A_PIXEL + _MOST_HEADER)
        _check_object(dataset)
        _check_pixels(dataset, max_pixels)
        take(dataset.Columns * dataset.Rows)
        return to_gray(*decode_frame(dataset), dataset), tuple(_warnings(dataset))
    except ImageError:
        raise
    # pydicom and the decoders, too, answer malformed bytes with errors of many types.
    except Exception as error:
        raise UnreadableImageError("The DICOM image is broken or truncated.") from error


def _check_object(dataset: Dataset) -> None:
    object_class = dataset.get("SOPClassUID")
    if (object_class and object_class not in SOP_CLASSES) or (
        dataset.get("Modality") and dataset.Modality not in MODALITIES
    ):
        raise UnreadableImageError(
            "The DICOM object is no projection radiograph; send a CR, DX or Secondary Capture "
            "image."
        )
    if "PixelData" not in dataset:
        raise UnreadableImageError("The DICOM file holds no image, or not all of it.")
    if (dataset.get("NumberOfFrames") or 1) > 1:
        raise UnreadableImageError("The DICOM image has several frames; send one of them.")


def _check_pixels(dataset: Dataset, max_pixels: int) -> None:
    for name in _NUMBERS:
        if not isinstance(dataset.get(name), int):
            raise UnreadableImageError(f"The DICOM image's {name} is missing or no number.")
    photometric = dataset.get("PhotometricInterpretation")
    if _SAMPLES.get(str(photometric)) != dataset.SamplesPerPixel:
        raise UnreadableImageError(
            "The DICOM image's PhotometricInterpretation is missing, or not one that is read."
        )
    stored, allocated = dataset.BitsStored, dataset.BitsAllocated
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise UnreadableImageError("The DICOM image does not have 8 to 16 bits.")
    check_not_too_many(dataset.Columns, dataset.Rows, max_pixels)
    check_not_too_small(dataset.Columns, dataset.Rows)


def _warnings(dataset: Dataset) -> Iterator[WarningCode]:
    view, part = (
        str(dataset.get(name) or "").strip().upper()
        for name in ("ViewPosition", "BodyPartExamined")
    )
    if _LATERAL.fullmatch(view) or _codes(dataset, "ViewCodeSequence") & _LATERAL_CODES:
        yield LATERAL_VIEW
    regions = _codes(dataset, "AnatomicRegionSequence")
    if (part and not _CHEST.search(part)) or (regions and not regions & _CHEST_CODES):
        yield NOT_A_CHEST


def _codes(dataset: Dataset, name: str) -> set[str]:
    """The SNOMED codes in a code sequence (PS3.3, 8.8)."""
    return {
        str(item.get("CodeValue"))
        for item in dataset.get(name) or []
        if item.get("CodingSchemeDesignator") in _SNOMED
    }
