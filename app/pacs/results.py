"""What goes back into the study of one radiograph, and which ones get no answer."""

from dataclasses import dataclass
from functools import partial

from pydicom import Dataset

from app.imaging.dicom import LATERAL_VIEW, NOT_A_CHEST
from app.reader import Reader
from app.results.instance import PRODUCT, is_own_series
from app.results.secondary_capture import secondary_capture
from app.results.source import read_source
from app.results.structured_report import structured_report

OWN_RESULT = "own_result"
_NOT_FOR_THE_MODEL = (LATERAL_VIEW, NOT_A_CHEST)


class NotReadError(Exception):
    """The image gets no result; `code` says why: a warning, or `own_result`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Results:
    """The DICOM files that answer one image, each of the same bytes whenever it is read.

    Attributes:
        overlay: a Secondary Capture.
        report: a Comprehensive SR.
        label: what they say, `NORMAL` or `PNEUMONIA`.
        probability: calibrated, of pneumonia.
    """

    overlay: bytes
    report: bytes
    label: str
    probability: float


def is_own(dataset: Dataset) -> bool:
    """Whether an object is a result of this program, by its Manufacturer."""
    return str(dataset.get("Manufacturer", "")) == PRODUCT


async def results_of(reader: Reader, data: bytes) -> Results:
    """Read a DICOM file, and write the results for its study.

    Unlike the HTTP interface, which answers whoever asks, this answers nobody: an image whose
    attributes name a lateral view or another part of the body gets no result.

    Raises:
        ImageError: the file is none that can be read.
        Problem: 422 where it lacks a UID, or is of an unknown SOP class.
        NotReadError: the attributes say that the model is not for this image, or it is a result.
    """
    reading = await reader.read(data)
    for code in reading.radiograph.warnings:
        if code in _NOT_FOR_THE_MODEL:
            raise NotReadError(code)
    source = read_source(data)
    if is_own_series(source.StudyInstanceUID, source.SeriesInstanceUID, reader.manifest):
        raise NotReadError(OWN_RESULT)
    target = reading.target
    encode = partial(secondary_capture, source, reading, reader.manifest, target=target)
    overlay, _, _ = await reader.render(reading, target, encode)
    work = partial(structured_report, source, reading, reader.manifest)
    report = await reader.timed("render", reading.seconds, work)
    return Results(overlay, report, reading.label, reading.probability)
