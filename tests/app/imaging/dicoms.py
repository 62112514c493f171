"""DICOM files as scanners and archives write them."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    generate_uid,
)

from tests import synthetic


def dicom(pixels: npt.NDArray[np.integer[Any]], *, jpeg: bool = False, **elements: Any) -> bytes:
    """A file of one frame.

    Args:
        pixels: uint8 or uint16 `[height, width]`, stored as they are.
        jpeg: compressed as JPEG baseline, which takes 8 bits.
        elements: by keyword, in addition or instead; None leaves one out.
    """
    bits = 8 * pixels.dtype.itemsize
    stored = encapsulate([synthetic.encode(pixels, ".jpeg")]) if jpeg else pixels.tobytes()
    image = {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": generate_uid(),
        "PatientName": "Anonymous",
        "Modality": "DX",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "PixelData": stored,
    }
    dataset = Dataset()
    for keyword, value in (image | elements).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OB" if jpeg or bits == 8 else "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
