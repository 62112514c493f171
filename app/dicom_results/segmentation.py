"""The lungs, and the evidence, as Segmentations (PS3.3, A.51) that a viewer lays over the image.

A radiograph has no Frame of Reference, and gets none here: a Segmentation has the rows and columns
of its image, its Pixel Spacing if it has one, and refers to it, pixel for pixel (PS3.3, A.51.5).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationFractionalTypeValues,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.dicom_results import uids
from app.dicom_results.instance import FOR_RESEARCH, PRODUCT, place, to_file
from app.dicom_results.kinds import EVIDENCE, LUNGS
from app.dicom_results.regions import ACTIVATION
from app.dicom_results.source import Source
from app.imaging.overlay import levels
from app.reading.lungs import mask_at
from app.reading.reading import Reading

_EVIDENCE_SERIES, _LUNGS_SERIES = 9003, 9004
_FULL = 255


def lungs_segmentation(source: Source, reading: Reading) -> bytes:
    """Write where the lungs are as a DICOM file: a binary Segmentation of one segment.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image, on which lungs were found.

    Returns:
        The same bytes for the same arguments.
    """
    mask = mask_at(reading.answers.lungs[0], _size(reading))
    segment = _segment(reading, "Lungs", codes.SCT.AnatomicalStructure, codes.SCT.Lung)
    placed = place(source, reading.model, LUNGS, _LUNGS_SERIES)
    segmentation = _segmentation(
        source, reading, mask, segment, segmentation_type=SegmentationTypeValues.BINARY, **placed
    )
    return to_file(segmentation, source)


def evidence_segmentation(source: Source, reading: Reading) -> bytes:
    """Write what argues for the answer as a DICOM file: a fractional Segmentation of one segment.

    Its values are those that the overlay colours. They are no probabilities, so its type is
    occupancy: how much of the largest activation on the image there is at a place.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image.

    Returns:
        The same bytes for the same arguments.
    """
    target = reading.target
    values = levels(reading.answers.cam[0], target, _size(reading))
    label = f"Evidence for {target.upper()}"
    segment = _segment(reading, label, codes.SCT.SpatialAndRelationalConcept, ACTIVATION)
    segment.SegmentDescription = (
        f"Grad-CAM for {target.upper()}; {_FULL} is the largest activation for either label. No "
        f"probability, and no outline of a lesion. {FOR_RESEARCH}"
    )
    placed = place(source, reading.model, EVIDENCE, _EVIDENCE_SERIES)
    segmentation = _segmentation(
        source,
        reading,
        # highdicom would sort all fractions, which takes seconds. So it gets a mask, which they
        # replace below.
        (values > 0).view(np.uint8),
        segment,
        segmentation_type=SegmentationTypeValues.FRACTIONAL,
        fractional_type=SegmentationFractionalTypeValues.OCCUPANCY,
        max_fractional_value=_FULL,
        **placed,
    )
    segmentation.PixelData = values.tobytes() + bytes(values.size % 2)
    return to_file(segmentation, source)


def _size(reading: Reading) -> tuple[int, int]:
    return reading.radiograph.width, reading.radiograph.height


def _segment(reading: Reading, label: str, category: Code, kind: Code) -> SegmentDescription:
    algorithm = AlgorithmIdentificationSequence(
        reading.model.name,
        codes.DCM.ArtificialIntelligence,
        str(reading.model.version),
        source=PRODUCT,
    )
    return SegmentDescription(
        1, label, category, kind, SegmentAlgorithmTypeValues.AUTOMATIC, algorithm
    )


def _segmentation(
    source: Source,
    reading: Reading,
    mask: npt.NDArray[np.uint8],
    segment: SegmentDescription,
    **arguments: Any,
) -> Segmentation:
    """A Segmentation of one frame and one segment, at the places of its image's pixels."""
    segmentation = Segmentation(
        source_images=[_image(source, mask.shape)],
        pixel_array=mask,
        segment_descriptions=[segment],
        content_label=str(segment.SegmentLabel).split()[0].upper(),
        content_description=f"For research use: {segment.SegmentLabel}",
        # Type 1 in the Enhanced General Equipment module: what tells this model from any other.
        device_serial_number=reading.model.digest,
        **arguments,
    )
    segmentation.PatientOrientation = source.get("PatientOrientation")
    if "PixelSpacing" not in source:
        # It may be empty, as it is in `_image`.
        segmentation.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence", None)
    # highdicom draws it at random.
    dimensions = uids.derive("dimensions", segmentation.SOPInstanceUID)
    for item in (
        *segmentation.DimensionOrganizationSequence,
        *segmentation.DimensionIndexSequence,
    ):
        item.DimensionOrganizationUID = dimensions
    return segmentation


def _image(source: Source, shape: tuple[int, ...]) -> Dataset:
    """The header of the image with what highdicom asks for."""
    image = Dataset()
    image.update(source)
    image.Rows, image.Columns = shape
    # Of the classes that allow several frames, it asks for these; the image has one frame.
    image.NumberOfFrames = 1
    measures, groups = Dataset(), Dataset()
    if "PixelSpacing" in source:
        measures.PixelSpacing = source.PixelSpacing
    groups.PixelMeasuresSequence = [measures]
    image.SharedFunctionalGroupsSequence = [groups]
    return image
