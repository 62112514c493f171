from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from app.codes import WarningCode
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.source import read_source
from tests.app.dicom_results.given import (
    BARE,
    CR,
    DX,
    HEADER,
    IMAGE,
    PATIENT_AND_STUDY,
    STUDY,
    WRONG,
    assert_valid,
    overlay,
    parse,
    reading,
    source_file,
)


def captured(
    elements: dict[str, Any] | None = None, target: Any = "pneumonia", **changes: Any
) -> bytes:
    source = read_source(source_file(**(elements or {})))
    return secondary_capture(source, reading(**changes), overlay(), target)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "elements", [DX, CR, BARE, WRONG], ids=["digital", "computed", "bare", "wrong"]
)
def test_is_valid(elements: dict[str, Any], tmp_path: Path) -> None:
    assert_valid(captured(elements), tmp_path)


def test_shows_the_overlay_in_rgb() -> None:
    image = parse(captured())

    assert image.SOPClassUID == SecondaryCaptureImageStorage
    assert image.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert image.PhotometricInterpretation == "RGB"
    assert np.array_equal(image.pixel_array[:, :, ::-1], overlay())


def test_belongs_to_the_patient_and_the_study_in_a_series_of_its_own() -> None:
    image = parse(captured())

    assert image.StudyInstanceUID == STUDY
    assert image.SeriesInstanceUID not in (HEADER["SeriesInstanceUID"], "")
    for keyword in (*PATIENT_AND_STUDY, "PatientOrientation"):
        assert image[keyword].value == HEADER[keyword], keyword


def test_refers_to_the_image_and_says_what_it_is() -> None:
    image = parse(captured())

    assert [item.ReferencedSOPInstanceUID for item in image.SourceImageSequence] == [IMAGE]
    assert image.SeriesDescription == "For research use: pneumoscope overlay, pneumonia 1"
    assert image.ContentQualification == "RESEARCH"
    assert image.DerivationDescription.startswith("Grad-CAM for PNEUMONIA,")
    assert image.ImageComments == (
        "PNEUMONIA: probability of pneumonia 0.8765. For research use only: not a medical device."
    )
    assert (image.Manufacturer, image.ManufacturerModelName) == ("pneumoscope", "pneumonia 1")


def test_says_that_a_person_should_read_the_image_and_why() -> None:
    image = parse(captured(warnings=[WarningCode.LUNGS_CUT_OFF, WarningCode.LOW_RESOLUTION]))

    assert image.ImageComments == (
        "PNEUMONIA: probability of pneumonia 0.8765. A person should read the image: lungs_cut_off,"
        " low_resolution. For research use only: not a medical device."
    )


def test_the_same_image_gives_the_same_bytes() -> None:
    assert captured() == captured()


def test_each_target_and_size_is_an_object_of_its_own() -> None:
    source = read_source(source_file())
    smaller = secondary_capture(source, reading(), overlay()[::2, ::2], "pneumonia")
    images = [parse(data) for data in (captured(), captured(target="normal"), smaller)]

    assert len({image.SOPInstanceUID for image in images}) == 3
    assert len({image.SeriesInstanceUID for image in images}) == 1


def test_what_was_once_compressed_with_loss_stays_so() -> None:
    lossy = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": ["10", "2"],
        "LossyImageCompressionMethod": ["ISO_10918_1", "ISO_15444_1"],
        "BurnedInAnnotation": "YES",
    }
    image = parse(captured(lossy))

    for keyword, value in lossy.items():
        assert image[keyword].value == value
    assert "LossyImageCompression" not in parse(captured())
