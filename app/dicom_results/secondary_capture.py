"""The Grad-CAM overlay as a Secondary Capture Image (PS3.3, A.8.1)."""

import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from app.dicom_results.instance import FOR_RESEARCH, place, to_file
from app.dicom_results.kinds import OVERLAY
from app.dicom_results.source import Source
from app.imaging.overlay import Target
from app.reading.reading import Reading

_SERIES_NUMBER = 9001
# Of the pixels: they are those of the image, seen through colours (PS3.3, C.7.6.1).
_SHARED = (
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def secondary_capture(
    source: Source,
    reading: Reading,
    picture: npt.NDArray[np.uint8],
    target: Target,
) -> bytes:
    """Write the overlay as a DICOM file, uncompressed, which every archive and viewer reads.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image.
        picture: the overlay, uint8 `[height, width, 3]`, in OpenCV's BGR order.
        target: what the coloured regions argue for.

    Returns:
        The same bytes for the same arguments.
    """
    height, width, _ = picture.shape
    image = SCImage.from_ref_dataset(
        source,
        pixel_array=np.ascontiguousarray(picture[:, :, ::-1]),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        # Replaced below: highdicom wants a value, though the standard allows none (type 2C).
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **place(source, reading.model, OVERLAY, _SERIES_NUMBER, target, f"{width}x{height}"),
    )
    image.PatientOrientation = source.get("PatientOrientation")
    image.ConversionType = "WSD"
    image.BodyPartExamined = "CHEST"
    image.DerivationDescription = (
        f"Grad-CAM for {target.upper()}, and the outline of the lungs where they were found, laid "
        f"over the image. {FOR_RESEARCH}"
    )
    review = f" A person should read the image: {', '.join(reading.reasons)}."
    image.ImageComments = (
        f"{reading.label}: probability of pneumonia {reading.probability:.4f}."
        f"{review if reading.review else ''} {FOR_RESEARCH}"
    )
    image.SourceImageSequence = [_reference(source)]
    for keyword in (*_SHARED, "IssuerOfPatientID", "PatientAge", "StudyDescription"):
        if keyword in source:
            setattr(image, keyword, source[keyword].value)
    return to_file(image, source)


def _reference(source: Dataset) -> Dataset:
    """An item of the Source Image Sequence (PS3.3, C.7.6.1.1.4)."""
    code = codes.DCM.SourceImageForImageProcessingOperation
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = code.value, code.scheme_designator
    purpose.CodeMeaning = code.meaning
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item
