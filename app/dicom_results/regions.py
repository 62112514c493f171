"""The regions of a report: where the model's evidence is, and not where a lesion is.

Each is a Planar ROI (PS3.16, TID 1410) whose finding is the activation of the model. A viewer shows
that finding's name beside the curve, so it is neither pneumonia nor any other disease.
"""

import numpy as np
from highdicom.sr import (
    GraphicTypeValues,
    ImageRegion,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from app.dicom_results import uids
from app.reading.reading import Reading

# CID 217, "Visual Explanation".
ACTIVATION = codes.DCM.GradientWeightedClassActivation
_MEANING = (
    "Where the evidence of the model for pneumonia (Grad-CAM) is at least half of its maximum in "
    "the lungs: an explanation of the model's answer. It is not the outline of a lesion."
)


def regions(
    source: Dataset, reading: Reading
) -> list[PlanarROIMeasurementsAndQualitativeEvaluations]:
    """The measurement groups of the regions, none where the image does not show pneumonia.

    Args:
        source: the header of the image that was read.
        reading: of that image.
    """
    size = reading.radiograph.width, reading.radiograph.height
    groups = []
    for number, curve in enumerate(reading.core, 1):
        # PS3.3, C.18.6.1.1: columns and rows from the upper left corner of the upper left pixel,
        # as are shares of the image. A curve whose last point is its first is closed.
        points = np.vstack([curve, curve[:1]]) * size
        image = SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uids.derive("region", reading.model.name, source.SOPInstanceUID, str(number)),
                f"Evidence of the model, region {number}",
            ),
            referenced_region=ImageRegion(GraphicTypeValues.POLYLINE, points, image),
            finding_type=ACTIVATION,
        )
        group[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, _MEANING, RelationshipTypeValues.CONTAINS)
        )
        groups.append(group)
    return groups
