"""A small image in every format and codec that the service reads, for the fuzzer and the soak."""

from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

from training.data.phantoms import chest

_SIZE = (96, 128)
_SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG baseline": JPEGBaseline8Bit,
    "JPEG extended": JPEGExtended12Bit,
    "JPEG lossless": JPEGLosslessSV1,
    "JPEG-LS": JPEGLSLossless,
    "JPEG-LS near": JPEGLSNearLossless,
    "JPEG 2000": JPEG2000,
    "JPEG 2000 lossless": JPEG2000Lossless,
}
_TWELVE_BITS = (JPEGExtended12Bit,)

Pixels = npt.NDArray[np.integer[Any]]


def samples() -> dict[str, bytes]:
    """A drawn chest of 128 x 96 pixels, by the name of its format and codec."""
    gray = Image.fromarray(chest(1, size=_SIZE))
    colour = gray.convert("RGB")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    files = {
        "JPEG": _saved(gray, "JPEG"),
        "JPEG colour": _saved(colour, "JPEG", quality=90),
        "JPEG progressive": _saved(colour, "JPEG", progressive=True),
        "PNG": _saved(gray, "PNG"),
        "PNG 16 bits": _saved(deep, "PNG"),
        "PNG transparent": _saved(colour.convert("RGBA"), "PNG"),
        "PNG palette": _saved(gray.convert("P"), "PNG"),
        "WebP": _saved(colour, "WEBP"),
        "WebP lossless": _saved(colour, "WEBP", lossless=True),
        "BMP": _saved(gray, "BMP"),
        "BMP colour": _saved(colour, "BMP"),
    }
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        files[f"TIFF {compression}"] = _saved(gray, "TIFF", compression=compression)
    files["TIFF group4"] = _saved(gray.convert("1"), "TIFF", compression="group4")
    files["TIFF 16 bits"] = _saved(deep, "TIFF")
    for name, syntax in _SYNTAXES.items():
        pixels: Pixels = np.asarray(gray)
        bits = 8
        if syntax in _TWELVE_BITS:
            pixels, bits = pixels.astype(np.uint16) * 16, 12
        files[f"DICOM {name}"] = _dicom(pixels, syntax, bits)
    return files


def as_dicom(gray: npt.NDArray[np.uint8]) -> bytes:
    """An uncompressed DX image of 12 bits, as detectors send them, of uint8 `[height, width]`."""
    return _dicom(gray.astype(np.uint16) * 16, ExplicitVRLittleEndian, 12)


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def _dicom(pixels: Pixels, syntax: UID, bits: int) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(dataset, keyword, generate_uid())
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Drawn^Nobody", "0", "DX"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored = 8 * pixels.dtype.itemsize, bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.WindowCenter, dataset.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    dataset.PixelData = (
        encapsulate([_frame(pixels, syntax, bits)]) if syntax.is_encapsulated else pixels.tobytes()
    )
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated or bits == 8 else "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _frame(pixels: Pixels, syntax: UID, bits: int) -> bytes:
    if syntax == RLELossless:
        return bytes(
            RLELosslessEncoder.encode(
                np.ascontiguousarray(pixels),
                rows=pixels.shape[0],
                columns=pixels.shape[1],
                number_of_frames=1,
                samples_per_pixel=1,
                bits_allocated=8,
                bits_stored=8,
                pixel_representation=0,
                photometric_interpretation="MONOCHROME2",
                encoding_plugin="pydicom",
            )
        )
    if syntax == JPEGBaseline8Bit:
        return _saved(Image.fromarray(pixels), "JPEG")
    if syntax in (JPEGLSLossless, JPEGLSNearLossless):
        level = 0 if syntax == JPEGLSLossless else 2
        return bytes(imagecodecs.jpegls_encode(pixels, level=level))
    if syntax in (JPEG2000, JPEG2000Lossless):
        lossless = syntax == JPEG2000Lossless
        return bytes(
            imagecodecs.jpeg2k_encode(
                pixels, level=0 if lossless else 60, reversible=lossless, codecformat="j2k"
            )
        )
    if syntax == JPEGExtended12Bit:
        return bytes(imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=bits))
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1))
