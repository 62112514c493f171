from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from highdicom.seg import Segmentation
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from app.codes import Label
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.imaging.dicom.read import SOP_CLASSES
from app.imaging.overlay import levels
from app.reading.lungs import mask_at
from tests.answered import SIDE, lungs
from tests.app.dicom_results.given import (
    BARE,
    HEADER,
    IMAGE,
    PATIENT_AND_STUDY,
    PIXELS,
    STUDY,
    WRONG,
    assert_valid,
    parse,
    reading,
    source_file,
)

SIZE = PIXELS.shape[::-1]
CAM = np.linspace(-0.5, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
WRITERS = [evidence_segmentation, lungs_segmentation]
# Of geometry, that a radiograph has none of.
GEOMETRY = (
    "FrameOfReferenceUID",
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
)
Write = Callable[..., bytes]


def segmented(write: Write, elements: dict[str, Any] | None = None, **changes: Any) -> bytes:
    source = read_source(source_file(**(elements or {})))
    return write(source, reading(outputs={"cam": CAM}, **changes))


def frame(data: bytes) -> npt.NDArray[Any]:
    """The one frame, as highdicom reads it."""
    segmentation: Any = Segmentation.from_dataset(parse(data))
    frames = segmentation.get_pixels_by_source_instance(
        [IMAGE], segment_numbers=[1], rescale_fractional=False
    )
    assert frames.shape == (1, *PIXELS.shape, 1)
    return np.asarray(frames[0, :, :, 0])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "elements",
    [*({"SOPClassUID": uid} for uid in SOP_CLASSES), BARE, WRONG],
    ids=[*(uid.name for uid in SOP_CLASSES), "bare", "wrong"],
)
def test_is_valid_of_every_class_that_is_read(
    write: Write, elements: dict[str, Any], tmp_path: Path
) -> None:
    data = segmented(write, elements)

    assert_valid(data, tmp_path)
    assert not [element for element in parse(data).iterall() if element.keyword in GEOMETRY]


@pytest.mark.parametrize("uid", [SOP_CLASSES[0], SOP_CLASSES[5]], ids=["one frame", "of frames"])
def test_the_images_own_spacing_is_taken_over(uid: str, tmp_path: Path) -> None:
    elements = {"SOPClassUID": uid, "PixelSpacing": ["0.14", "0.15"]}
    data = segmented(lungs_segmentation, elements)

    [shared] = parse(data).SharedFunctionalGroupsSequence
    [measures] = shared.PixelMeasuresSequence
    assert measures.PixelSpacing == [0.14, 0.15]
    assert_valid(data, tmp_path)


def test_the_lungs_are_those_that_the_overlay_outlines() -> None:
    data = segmented(lungs_segmentation)

    assert parse(data).SegmentationType == "BINARY"
    assert np.array_equal(frame(data), mask_at(lungs(), SIZE))


@pytest.mark.parametrize(("finding", "target"), [("PNEUMONIA", "pneumonia"), ("NORMAL", "normal")])
def test_the_evidence_is_what_the_overlay_colours(finding: str, target: Any) -> None:
    data = segmented(evidence_segmentation, finding=Label(finding))
    dataset = parse(data)

    assert (dataset.SegmentationType, dataset.SegmentationFractionalType) == (
        "FRACTIONAL",
        "OCCUPANCY",
    )
    assert dataset.MaximumFractionalValue == 255
    assert np.array_equal(frame(data), levels(CAM, target, SIZE))
    [segment] = dataset.SegmentSequence
    assert segment.SegmentLabel == f"Evidence for {finding}"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "130403"
    assert "no outline of a lesion" in segment.SegmentDescription


def test_where_there_is_no_evidence_all_is_empty() -> None:
    source = read_source(source_file())
    data = evidence_segmentation(source, reading())

    assert not frame(data).any()


@pytest.mark.parametrize("write", WRITERS)
def test_the_algorithm_has_the_values_of_the_contributing_equipment(write: Write) -> None:
    dataset = parse(segmented(write))
    [equipment] = dataset.ContributingEquipmentSequence
    [segment] = dataset.SegmentSequence
    [algorithm] = segment.SegmentationAlgorithmIdentificationSequence

    # IHE AI Results, table 6.5.3.1-1.
    assert algorithm.AlgorithmSource == equipment.Manufacturer
    assert algorithm.AlgorithmName == equipment.ManufacturerModelName
    assert algorithm.AlgorithmVersion == equipment.SoftwareVersions


@pytest.mark.parametrize("write", WRITERS)
def test_belongs_to_the_study_in_a_series_of_its_own(write: Write) -> None:
    dataset = parse(segmented(write))

    assert dataset.SOPClassUID == SegmentationStorage
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert dataset.StudyInstanceUID == STUDY
    assert dataset.SeriesInstanceUID not in (HEADER["SeriesInstanceUID"], "")
    for keyword in (*PATIENT_AND_STUDY, "PatientOrientation"):
        assert dataset[keyword].value == HEADER[keyword], keyword
    assert dataset.SeriesDescription.startswith("For research use: pneumoscope ")
    assert (dataset.Manufacturer, dataset.ContentQualification) == ("pneumoscope", "RESEARCH")
    [item] = dataset.SourceImageSequence
    assert item.ReferencedSOPInstanceUID == IMAGE
    [series] = dataset.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == HEADER["SeriesInstanceUID"]


def test_each_kind_is_an_object_in_a_series_of_its_own() -> None:
    datasets = [parse(segmented(write)) for write in WRITERS]

    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber"):
        assert len({dataset[keyword].value for dataset in datasets}) == 2


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_image_gives_the_same_bytes(write: Write) -> None:
    assert segmented(write) == segmented(write)
