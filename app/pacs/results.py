"""What goes back into the study of one radiograph, and which ones get no answer."""

import asyncio
from dataclasses import dataclass, replace
from io import BytesIO

from pydicom import dcmread

from app.codes import NO_RESULT_IN_A_STUDY, OWN_RESULT, Label
from app.dicom_results import uids
from app.dicom_results.instance import is_own_series
from app.dicom_results.source import read_source
from app.dicom_results.written import written
from app.errors import NoLungsError, NotReadError
from app.reading.reader import Reader


@dataclass(frozen=True)
class Results:
    """The DICOM files that answer one image, each of the same bytes whenever it is read.

    Attributes:
        overlay: a Secondary Capture.
        report: a Comprehensive SR.
        label: what they say.
        probability: calibrated, of pneumonia.
        image: the SOP Instance UID of the image.
    """

    overlay: bytes
    report: bytes
    label: Label
    probability: float
    image: str

    def apart(self, name: str) -> "Results":
        """The same under other UIDs, so that a PACS keeps them beside results of the same image.

        Args:
            name: from which the UIDs follow, beside those that they had.
        """
        overlay, report = (_renamed(file, name) for file in (self.overlay, self.report))
        return replace(self, overlay=overlay, report=report)


def _renamed(file: bytes, name: str) -> bytes:
    dataset = dcmread(BytesIO(file))
    uid = uids.derive("apart", str(dataset.SOPInstanceUID), name)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.InstanceNumber = uids.number(uid)
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


async def results_of(reader: Reader, data: bytes) -> Results:
    """Read a DICOM file, and write the results for its study.

    Unlike the HTTP interface, which answers whoever asks, this answers nobody: an image whose
    attributes name a lateral view or another part of the body gets no result, and neither does one
    without lungs, unless the settings say to answer it.

    Raises:
        ImageError: the file is none that can be read, or lacks what a result must refer to.
        NotReadError: the model is not for this image, as its attributes or its pixels say, or it is
            a result.
    """
    try:
        reading = await reader.read(data)
    except NoLungsError as error:
        raise NotReadError(error.code) from error
    for code in reading.radiograph.warnings:
        if code in NO_RESULT_IN_A_STUDY:
            raise NotReadError(code)
    source = await asyncio.to_thread(read_source, data)
    if is_own_series(source.StudyInstanceUID, source.SeriesInstanceUID, reader.model.manifest):
        raise NotReadError(OWN_RESULT)
    overlay, report = await written(reader, reading, source)
    image = str(source.SOPInstanceUID)
    return Results(overlay, report, reading.label, reading.probability, image)
