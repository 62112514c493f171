"""What `pneumoscope read` does."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from app.dicom_results.kinds import KINDS
from app.errors import ReadError, UnreachableError
from app.imaging.dicom.read import MODALITIES
from app.pacs import stopping
from app.pacs.destinations import Destination
from app.pacs.results import Selection
from app.pacs.rules import FHIR
from app.pacs.web.archive import Archive
from app.pacs.web.claims import Claims
from app.pacs.web.dicomweb import StowDestination
from app.pacs.web.fhir import FhirDestination
from app.pacs.web.performing import Performer
from app.pacs.web.polling import Polling
from app.pacs.web.study import StudyReader
from app.pacs.web.workitem import Assignment
from app.pacs.web.worklist import Worklist
from app.reading import changes
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings

# The code value is also sent as an AE title (PS3.5, 6.2).
_STATION = re.compile(r"[!-\[\]-~]{1,16}")


class Tasks(NamedTuple):
    """Whose workitems are performed.

    Attributes:
        url: of the worklist, over DICOMweb.
        claims: a file that tells this performer's claims from others'.
        assignment: which workitems are taken.
    """

    url: str
    claims: Path
    assignment: Assignment


class Pacs(NamedTuple):
    """Where images are found, and what becomes of their readings.

    Attributes:
        url: of the PACS, over DICOMweb.
        fhir: the base URL of a FHIR server that readings go to as well.
        selection: which of its images are read, and which results the PACS gets.
    """

    url: str
    fhir: str | None
    selection: Selection


async def read_study(reader: Reader, pacs: Pacs, study: str, again: bool) -> int:
    """Read a study, and print a line for each image.

    Args:
        reader: the model.
        pacs: which holds the study.
        study: its Study Instance UID.
        again: what has a report too; the results are kept beside the earlier ones.

    Returns:
        The exit status: 1 where an image or its results failed.

    Raises:
        NotReadyError: the model failed its warm-up.
        ReadError: nothing, or not everything, was read.
    """
    if not re.fullmatch(r"[0-9.]{1,64}", study):
        raise ReadError("--study: this is no UID.")
    status = 0
    async with reader.running():
        try:
            study_reader = _study_reader(reader, pacs)
            find = partial(study_reader.archive.unread, study, MODALITIES, reader.model)
            unread = await asyncio.to_thread(find)
            known = {image.SOPInstanceUID for image in unread}
            images = await asyncio.to_thread(find, again=True) if again else []
            read_before = [image for image in images if image.SOPInstanceUID not in known]
            if not unread and not read_before:
                print("Nothing is left to read in the study.")  # noqa: T201
            await reader.ready()
            for group, apart in ((unread, False), (read_before, True)):
                async for outcome in study_reader.read(group, apart):
                    print(f"{outcome.image} {outcome.said}", flush=True)  # noqa: T201
                    status |= outcome.kind not in ("stored", "not_for_the_model")
        except (LookupError, UnreachableError, ValueError) as error:
            raise ReadError(str(error)) from error
    return status


async def poll(
    reader: Reader,
    settings: Settings,
    metrics: Metrics,
    pacs: Pacs,
    seconds: float,
    since: Callable[[], date],
) -> int:
    """Read every new study until SIGTERM or SIGINT; SIGHUP changes the model.

    Args:
        reader: the model.
        settings: which one that is.
        metrics: the reader's.
        pacs: where studies are looked for.
        seconds: between two looks.
        since: the oldest study date to look at, which may move on.

    Returns:
        The exit status.

    Raises:
        NotReadyError: the model failed its warm-up.
        ReadError: the URL is none.
    """
    stop = stopping.on_signal()
    try:
        study_reader = _study_reader(reader, pacs)
    except ValueError as error:
        raise ReadError(str(error)) from error
    async with _ready(reader, settings, metrics):
        await Polling(study_reader, since).run(seconds, stop)
    return 0


async def perform(
    reader: Reader, settings: Settings, metrics: Metrics, pacs: Pacs, seconds: float, tasks: Tasks
) -> int:
    """Do what a worklist asks for until SIGTERM or SIGINT; SIGHUP changes the model.

    Args:
        reader: the model.
        settings: which one that is.
        metrics: the reader's.
        pacs: that holds what is to be read.
        seconds: between two looks.
        tasks: whose workitems are performed.

    Returns:
        The exit status.

    Raises:
        NotReadyError: the model failed its warm-up.
        ReadError: a URL or the station is none, or the file of claims cannot be had.
    """
    station = tasks.assignment.station
    if not _STATION.fullmatch(station):
        raise ReadError("--station: 1 to 16 characters of ASCII, without spaces and backslashes.")
    stop = stopping.on_signal()
    try:
        study_reader = _study_reader(reader, pacs)
        worklist = Worklist(tasks.url, station, Claims(tasks.claims))
    except ValueError as error:
        raise ReadError(str(error)) from error
    async with _ready(reader, settings, metrics):
        await Performer(study_reader, worklist, tasks.assignment).run(seconds, stop)
    return 0


@asynccontextmanager
async def _ready(reader: Reader, settings: Settings, metrics: Metrics) -> AsyncIterator[None]:
    """Have the reader run, once its model is warm, with the model that the settings name."""
    async with reader.running():
        await reader.ready()
        # Nobody would see what a shadow finds.
        alone = settings.model_copy(update={"shadow": None})
        async with changes.on_hangup(alone, reader, metrics):
            yield


def _study_reader(reader: Reader, pacs: Pacs) -> StudyReader:
    url, fhir, selection = pacs
    destinations: dict[str, Destination] = dict.fromkeys(KINDS, StowDestination(url))
    if fhir is not None:
        destinations[FHIR] = FhirDestination(fhir)
        selection = selection._replace(kinds=(FHIR, *selection.kinds))
    return StudyReader(reader, Archive(url), destinations, selection)
