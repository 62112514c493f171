import hashlib
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    EncapsulatedPDFStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from app.codes import WarningCode
from app.errors import UnreadableImageError, UnsupportedFormatError
from app.imaging.decode import LOW_RESOLUTION, decode
from app.imaging.dicom.read import LATERAL_VIEW, NOT_A_CHEST
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom, shipped

CHEST = synthetic.chest(size=(240, 320))
NO_RADIOGRAPH = "is no projection radiograph"


def coded(value: str, scheme: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = value, scheme
    return Sequence([item])


def test_what_is_told_of_a_file() -> None:
    data = dicom(CHEST)
    radiograph = decode(data)
    np.testing.assert_array_equal(radiograph.pixels, CHEST)
    assert radiograph.pixels.dtype == np.uint8
    assert (radiograph.format, radiograph.warnings) == ("DICOM", ())
    assert radiograph.sha256 == hashlib.sha256(data).hexdigest()


def test_low_resolution() -> None:
    assert decode(dicom(CHEST[:100, :100])).warnings == (LOW_RESOLUTION,)


def test_a_preamble_may_be_that_of_a_tiff() -> None:
    data = dicom(CHEST)
    assert decode(b"II*\0" + data[4:]).format == "DICOM"


@pytest.mark.parametrize("object_class", [ComputedRadiographyImageStorage, None])
@pytest.mark.parametrize("modality", ["CR", "DX", "RF", "RG", "OT", "SC", "", None])
def test_radiographs_are_read(object_class: Any, modality: str | None) -> None:
    assert decode(dicom(CHEST, SOPClassUID=object_class, Modality=modality)).warnings == ()


@pytest.mark.parametrize("modality", ["cr", " DX ", ["CR", "DX"], "Cr"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_case_and_blanks_around_a_modality_are_passed_over(modality: Any) -> None:
    assert decode(dicom(CHEST, Modality=modality)).format == "DICOM"


@pytest.mark.parametrize(
    ("said", "warned"), [("YES", True), (" yes", True), ("NO", False), (None, False)]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_burned_in_annotation_is_told(said: str | None, warned: bool) -> None:
    warnings = decode(dicom(CHEST, BurnedInAnnotation=said)).warnings
    assert warnings == ((WarningCode.BURNED_IN_ANNOTATION,) if warned else ())


@pytest.mark.parametrize("object_class", [SecondaryCaptureImageStorage, None])
@pytest.mark.parametrize("modality", ["CT", "MR", "US", "NM", "PT", "MG", "XA", "SR", ["CR", "CT"]])
def test_other_modalities_are_refused(object_class: Any, modality: Any) -> None:
    with pytest.raises(UnreadableImageError, match=NO_RADIOGRAPH):
        decode(dicom(CHEST, SOPClassUID=object_class, Modality=modality))


@pytest.mark.parametrize(
    "object_class",
    [
        CTImageStorage,
        MRImageStorage,
        UltrasoundImageStorage,
        DigitalMammographyXRayImageStorageForPresentation,
        EncapsulatedPDFStorage,
    ],
)
@pytest.mark.parametrize("modality", ["OT", None])
def test_other_objects_are_refused(object_class: Any, modality: Any) -> None:
    with pytest.raises(UnreadableImageError, match=NO_RADIOGRAPH):
        decode(dicom(CHEST, SOPClassUID=object_class, Modality=modality))


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small.dcm", "examples_palette.dcm", "test-SR.dcm", "rtplan.dcm"],
)
def test_files_of_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(UnreadableImageError, match=NO_RADIOGRAPH):
        decode(shipped(name))


@pytest.mark.parametrize(
    ("elements", "lateral"),
    [
        ({"ViewPosition": "PA"}, False),
        ({"ViewPosition": "AP"}, False),
        ({"ViewPosition": "LLD"}, False),
        ({"ViewPosition": ""}, False),
        ({"ViewPosition": "LL"}, True),
        ({"ViewPosition": "RL"}, True),
        ({"ViewPosition": "LATERAL"}, True),
        ({"ViewPosition": "L LAT"}, True),
        ({"ViewPosition": "left lateral"}, True),
        ({"ViewCodeSequence": coded("R-10236", "SRT")}, True),
        ({"ViewCodeSequence": coded("399198007", "SCT")}, True),
        ({"ViewCodeSequence": coded("R-10214", "SRT")}, False),
        ({"ViewCodeSequence": coded("399198007", "99OWN")}, False),
    ],
)
def test_a_lateral_view_is_told(elements: dict[str, Any], lateral: bool) -> None:
    assert decode(dicom(CHEST, **elements)).warnings == ((LATERAL_VIEW,) if lateral else ())


@pytest.mark.parametrize(
    ("elements", "chest"),
    [
        ({"BodyPartExamined": "CHEST"}, True),
        ({"BodyPartExamined": "Thorax PA"}, True),
        ({"BodyPartExamined": "LUNG"}, True),
        ({"BodyPartExamined": ""}, True),
        ({"BodyPartExamined": "HAND"}, False),
        ({"BodyPartExamined": "TSPINE"}, False),
        ({"AnatomicRegionSequence": coded("T-D3000", "SRT")}, True),
        ({"AnatomicRegionSequence": coded("816094009", "SCT")}, True),
        ({"AnatomicRegionSequence": coded("T-D8700", "SRT")}, False),
        ({"AnatomicRegionSequence": coded("17", "99OWN")}, True),
    ],
)
def test_another_body_part_is_told(elements: dict[str, Any], chest: bool) -> None:
    assert decode(dicom(CHEST, **elements)).warnings == (() if chest else (NOT_A_CHEST,))


@pytest.mark.parametrize("data", [b"", b"DICM", bytes(128) + b"DICN" + bytes(99)])
def test_what_is_no_dicom_file_is_an_unsupported_format(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError):
        decode(data)


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"PixelData": None}, "holds no image"),
        ({"NumberOfFrames": 2}, "several frames; send one of them"),
        ({"Rows": None}, "Rows is missing"),
        ({"Columns": None}, "Columns is missing"),
        ({"Columns": [320, 320]}, "Columns is missing or no number"),
        ({"SamplesPerPixel": None}, "SamplesPerPixel is missing"),
        ({"BitsAllocated": None}, "BitsAllocated is missing"),
        ({"BitsStored": None}, "BitsStored is missing"),
        ({"PixelRepresentation": None}, "PixelRepresentation is missing"),
        ({"PixelRepresentation": 2}, "broken"),
        ({"PhotometricInterpretation": None}, "PhotometricInterpretation is missing"),
        ({"PhotometricInterpretation": "CMYK"}, "PhotometricInterpretation is .* not one that"),
        ({"PhotometricInterpretation": "RGB"}, "PhotometricInterpretation is .* not one that"),
        ({"BitsAllocated": 1, "BitsStored": 1}, "8 to 16 bits"),
        ({"BitsAllocated": 32}, "8 to 16 bits"),
        ({"BitsStored": 9}, "8 to 16 bits"),
        ({"BitsStored": 0}, "8 to 16 bits"),
        ({"HighBit": 5}, "High Bit"),
        ({"Rows": 0}, "each side needs at least 64"),
        ({"Rows": 40}, "320 x 40 pixels; each side needs at least 64"),
        ({"Rows": 300}, "fewer pixels than it declares"),
        ({"BitsAllocated": 16}, "fewer pixels than it declares"),
        ({"Rows": 60_000, "Columns": 60_000}, "60000 x 60000 pixels; at most 40,000,000"),
    ],
)
def test_headers_that_lie_or_lack_something(elements: dict[str, Any], why: str) -> None:
    with pytest.raises(UnreadableImageError, match=why):
        decode(dicom(CHEST, **elements))


def test_the_limit_on_pixels_is_inclusive() -> None:
    assert decode(dicom(CHEST), max_pixels=CHEST.size).pixels.shape == CHEST.shape
    with pytest.raises(UnreadableImageError, match="at most 76,799"):
        decode(dicom(CHEST), max_pixels=CHEST.size - 1)
