"""What goes back into the study of one radiograph, and which ones get no answer."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import NamedTuple

from pydicom import dcmread

from app.audit import recorded
from app.audit.record import Record
from app.codes import NO_RESULT_IN_A_STUDY, OWN_RESULT, Label
from app.dicom_results import uids
from app.dicom_results.instance import is_own_series
from app.dicom_results.kinds import KINDS, USUAL
from app.dicom_results.source import read_source
from app.dicom_results.written import written
from app.errors import NoLungsError, NotReadError, NotSelectedError
from app.fhir.report import transaction
from app.hl7.report import oru
from app.pacs.notice import is_urgent, notice
from app.pacs.rules import FHIR, HL7, WEBHOOK, Rules, facts_of
from app.reading.reader import Reader


class Selection(NamedTuple):
    """Which images are read, which results they get, and where that is recorded.

    Attributes:
        rules: of the hospital.
        kinds: of results, where no rule says which.
        record: of readings, if there is one.
    """

    rules: Rules = Rules()
    kinds: Collection[str] = USUAL
    record: Record | None = None


EVERYTHING = Selection()


@dataclass(frozen=True)
class Results:
    """What answers one image: the same bytes whenever it is read, but for the time of a message.

    Attributes:
        files: by their kind, the report last: `fhir`, a transaction in JSON, `hl7`, an ORU^R01,
            `webhook`, a notice of an urgent reading, `evidence` and `lungs`, Segmentations,
            `overlay`, a Secondary Capture, and `report`, a Comprehensive SR.
        label: what they say.
        probability: calibrated, of pneumonia.
        image: the SOP Instance UID of the image.
    """

    files: Mapping[str, bytes]
    label: Label
    probability: float
    image: str

    def apart(self, name: str) -> "Results":
        """The same under other UIDs, so that a PACS keeps them beside results of the same image.

        A FHIR server keeps versions of a resource, so that nothing changes of that.

        Args:
            name: from which the UIDs follow, beside those that they had.
        """
        files = {
            kind: _renamed(file, name) if kind in KINDS else file
            for kind, file in self.files.items()
        }
        return replace(self, files=files)


def _renamed(file: bytes, name: str) -> bytes:
    dataset = dcmread(BytesIO(file))
    uid = uids.derive("apart", str(dataset.SOPInstanceUID), name)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.InstanceNumber = uids.number(uid)
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


async def results_of(
    reader: Reader,
    data: bytes,
    selection: Selection = EVERYTHING,
    request: str | None = None,
) -> Results:
    """Read a DICOM file, and write the results for its study.

    Unlike the HTTP interface, which answers whoever asks, this answers nobody: an image whose
    attributes name a lateral view or another part of the body gets no result, and neither does one
    without lungs, unless the settings say to answer it.

    Args:
        reader: the model.
        data: the file.
        selection: what is read, and which results it gets.
        request: what the record calls it.

    Raises:
        ImageError: the file is none that can be read, or lacks what a result must refer to.
        NotRecordedError: the record cannot be written.
        NotSelectedError: a rule leaves it out.
        NotReadError: the model is not for this image, as its attributes or its pixels say, or it is
            a result.
    """
    # Whichever takes over meanwhile.
    with reader.one_model():
        return await _results_of(reader, data, selection, request)


async def _results_of(
    reader: Reader, data: bytes, selection: Selection, request: str | None
) -> Results:
    wanted = await asyncio.to_thread(_wanted, selection, data, reader.limits.max_pixels)
    try:
        reading = await recorded.read(
            reader, data, selection.record, request=request, trace=None, caller=None
        )
    except NoLungsError as error:
        raise NotReadError(error.code) from error
    for code in reading.radiograph.warnings:
        if code in NO_RESULT_IN_A_STUDY:
            raise NotReadError(code)
    source = await asyncio.to_thread(read_source, data)
    if is_own_series(source.StudyInstanceUID, source.SeriesInstanceUID, reading.model.manifest):
        raise NotReadError(OWN_RESULT)
    make: dict[str, Callable[[], bytes]] = {
        FHIR: lambda: json.dumps(transaction(source, reading)).encode(),
        HL7: lambda: oru(source, reading, datetime.now(UTC)),
        WEBHOOK: lambda: notice(source, reading, datetime.now(UTC)),
    }
    if not is_urgent(reading):
        del make[WEBHOOK]
    files = {kind: made() for kind, made in make.items() if kind in wanted}
    files |= await written(reader, reading, source, wanted)
    return Results(files, reading.label, reading.probability, str(source.SOPInstanceUID))


def _wanted(selection: Selection, data: bytes, max_pixels: int) -> Collection[str]:
    """The kinds of results that an image is to get."""
    if not selection.rules.rules:
        return selection.kinds
    rule = selection.rules.decide(facts_of(data, max_pixels))
    if rule and not rule.read:
        raise NotSelectedError(rule.name)
    if rule is None or rule.results is None:
        return selection.kinds
    # The PACS is a destination for every kind of its own.
    return {*KINDS, *selection.kinds} & set(rule.results)
