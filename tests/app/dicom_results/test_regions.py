from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from app.codes import Label
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from tests.answered import SIDE
from tests.app.dicom_results.given import (
    BARE,
    CR,
    DX,
    IMAGE,
    PIXELS,
    assert_valid,
    checked,
    parse,
    reading,
    source_file,
)

# In the left of two lungs, from left, top, to right, bottom; in the map's places.
BOX = 5, 8, 11, 16
SECOND = 17, 8, 20, 12


def cam(*boxes: tuple[int, int, int, int]) -> Any:
    evidence = np.zeros((SIDE, SIDE), np.float32)
    for left, top, right, bottom in boxes:
        evidence[top:bottom, left:right] = 1
    return {"cam": evidence}


def reported(elements: dict[str, Any] | None = None, **changes: Any) -> bytes:
    changes = {"outputs": cam(BOX)} | changes
    return structured_report(read_source(source_file(**(elements or {}))), reading(**changes))


def groups(data: bytes) -> Any:
    """The measurement groups of regions."""
    document: Any = ComprehensiveSR.from_dataset(parse(data))
    return document.content.get_planar_roi_measurement_groups()


def test_a_region_is_in_the_pixels_of_the_image() -> None:
    [group] = groups(reported())
    points = group.roi.value
    height, width = PIXELS.shape
    left, top, right, bottom = np.array(BOX) / SIDE * (width, height, width, height)
    place = np.array((width, height)) / SIDE

    assert group.roi.graphic_type.value == "POLYLINE"
    assert np.array_equal(points[0], points[-1])
    assert np.all(np.abs(points.min(axis=0) - (left, top)) < place / 2)
    assert np.all(np.abs(points.max(axis=0) - (right, bottom)) < place / 2)
    [image] = group.roi.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == IMAGE


@pytest.mark.parametrize("label", Label)
def test_the_probability_comes_from_what_the_classifier_saw(label: Label) -> None:
    data = reported(label=label, outputs=cam(BOX) | {"field": (-0.1, 0.25, 0.5, 1.0)})
    document: Any = ComprehensiveSR.from_dataset(parse(data))
    [group] = document.content.get_image_measurement_groups()
    [measurement] = group.get_measurements()
    _, seen = measurement[0].ContentSequence

    height, width = PIXELS.shape
    left, top, right, bottom = 0, height / 4, width / 2, height
    assert seen.name.meaning == "Source of Measurement"
    assert seen.GraphicData == [left, top, right, top, right, bottom, left, bottom, left, top]
    [image] = seen.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == IMAGE


def test_it_is_evidence_and_no_lesion() -> None:
    [group] = groups(reported())

    assert group.finding_type.value == "130403"
    assert group.finding_type.meaning == "Gradient-weighted class activation"
    assert group.get_qualitative_evaluations() == []
    [measurement] = group.get_measurements()
    assert (measurement.name.value, measurement.value) == ("130403", 0.5)
    assert measurement.derivation.meaning == "Minimum"
    assert group.tracking_identifier == "Evidence of the model, region 1"
    [comment] = [item for item in group[0].ContentSequence if item.name.value == "121106"]
    assert comment.TextValue.endswith("It is not the outline of a lesion.")


def test_each_region_has_a_group_and_a_name_of_its_own() -> None:
    data = reported(outputs=cam(BOX, SECOND))

    assert len({group.tracking_uid for group in groups(data)}) == 2
    assert data == reported(outputs=cam(BOX, SECOND))


@pytest.mark.parametrize("label", [Label.NORMAL, Label.INDETERMINATE])
def test_another_answer_has_none(label: Label) -> None:
    assert groups(reported(label=label)) == []


def test_where_nothing_argues_for_pneumonia_there_is_none() -> None:
    assert groups(reported(outputs=cam())) == []


@pytest.mark.parametrize(
    "elements",
    [
        DX,
        CR,
        BARE,
        {"SOPClassUID": SecondaryCaptureImageStorage},
        {"SOPClassUID": MultiFrameGrayscaleByteSecondaryCaptureImageStorage},
    ],
    ids=["digital", "computed", "bare", "captured", "of frames"],
)
def test_is_valid(elements: dict[str, Any], tmp_path: Path) -> None:
    data = reported(elements)

    assert_valid(data, tmp_path)
    shown = checked(data, tmp_path, "dsrdump", "+Pl", "+Pc", package="dcmtk")
    assert '<contains SCOORD:(111030,DCM,"Image Region")=(POLYLINE,' in shown
    assert '<contains IMAGE:(260753009,SCT,"Source")=' in shown
