"""The regions of a report: what the model saw, and where its evidence is, not where a lesion is.

Each region of the evidence is a Planar ROI (PS3.16, TID 1410) whose finding is the activation of
the model, and neither pneumonia nor any other disease: a viewer may show its name beside the curve.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom.sr import (
    ContentSequence,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
    ScoordContentItem,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from app.dicom_results import uids
from app.reading.evidence import LEAST
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
    groups = []
    for number, curve in enumerate(reading.core, 1):
        image = SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)
        points = _in_pixels(curve, reading)
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uids.derive("region", reading.model.name, source.SOPInstanceUID, str(number)),
                f"Evidence of the model, region {number}",
            ),
            referenced_region=ImageRegion(GraphicTypeValues.POLYLINE, points, image),
            finding_type=ACTIVATION,
            measurements=[
                # By which viewers name a curve, as OHIF does.
                Measurement(ACTIVATION, LEAST, codes.UCUM.NoUnits, derivation=codes.SCT.Minimum)
            ],
        )
        group[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, _MEANING, RelationshipTypeValues.CONTAINS)
        )
        groups.append(group)
    return groups


def seen(source: Dataset, reading: Reading) -> ScoordContentItem:
    """What the classifier saw of the image, and inferred its probability from (TID 320).

    OHIF 3.13 fails on a report in which a measurement has no coordinates.

    Args:
        source: the header of the image that was read.
        reading: of that image.
    """
    left, top, right, bottom = reading.answers.field[0]
    box = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    item = ScoordContentItem(
        codes.DCM.SourceOfMeasurement,
        GraphicTypeValues.POLYLINE,
        _in_pixels(box.clip(0, 1), reading),
        relationship_type=RelationshipTypeValues.INFERRED_FROM,
    )
    item.ContentSequence = ContentSequence(
        [SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)]
    )
    return item


def _in_pixels(curve: npt.NDArray[Any], reading: Reading) -> npt.NDArray[Any]:
    """A closed curve in shares of the image, as spatial coordinates (PS3.3, C.18.6.1.1).

    Both are from the upper left corner of the upper left pixel. The last point is the first.
    """
    closed: npt.NDArray[Any] = np.vstack([curve, curve[:1]])
    return closed * (reading.radiograph.width, reading.radiograph.height)
