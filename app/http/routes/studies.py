"""`POST /dicom-web/studies`: STOW-RS (PS3.18, 10.5), for what sends images over DICOMweb.

An instance counts as stored once its results are with the PACS that the settings name. Nothing of
it is kept here.
"""

import asyncio
import json
from collections.abc import Collection
from contextlib import suppress
from enum import IntEnum
from http import HTTPStatus
from typing import NamedTuple

from fastapi import APIRouter, Request
from pydicom import Dataset
from starlette.responses import Response

from app.dicom_results.source import Source, read_source
from app.errors import (
    ImageError,
    NotReadError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)
from app.http import upload
from app.http.negotiation import DICOM_JSON, JSON, accepted
from app.http.routes.parts import (
    ReaderDependency,
    SettingsDependency,
    problem_responses,
    unless_hung_up,
)
from app.pacs.destinations import Destination
from app.pacs.results import Selection, results_of
from app.pacs.web.dicomweb import StowDestination
from app.reading.reader import Reader

router = APIRouter(tags=["DICOMweb"])


class Reason(IntEnum):
    """Why an instance is not stored: PS3.18, table I.2-2."""

    PROCESSING_FAILURE = 0x0110
    OUT_OF_RESOURCES = 0xA700
    NOT_OF_THE_STUDY = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class _Stored(NamedTuple):
    """What became of an instance: who it is, if that can be read, and why it failed, if it did."""

    source: Source | None
    failure: Reason | None = None


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            f'{upload.INSTANCES}; type="application/dicom"': {
                "schema": {"type": "string", "format": "binary"}
            }
        },
    }
}


@router.post(
    "/dicom-web/studies",
    summary="Read instances, and store their results",
    responses=problem_responses(400, 406, 408, 413, 415, 503)
    | {200: {"content": {DICOM_JSON: {}}}, 202: {"content": {DICOM_JSON: {}}}},
    openapi_extra=_BODY,
)
@router.post("/dicom-web/studies/{study}", include_in_schema=False)
async def store(
    request: Request, reader: ReaderDependency, settings: SettingsDependency, study: str = ""
) -> Response:
    """Read each DICOM image of the body, and store its results at the destination.

    The answer is that of STOW-RS: which instances are stored, which failed, and why. An image that
    the model is not for, such as a lateral view, is taken and has no results.
    """
    accepted(request, [JSON, DICOM_JSON], b"", of_a_study=())
    async with reader.admitted():
        files = await upload.instances(request, *settings.upload_limits)
        selection = Selection(record=request.app.state.record)
        destination = StowDestination(settings.stow_destination or "")
        storing = _Storing(reader, selection, destination, study, request.scope.get("request_id"))
        stored = await unless_hung_up(request, storing.all_of(files))
    return _answer(stored)


class _Storing(NamedTuple):
    """How the instances of one request are stored."""

    reader: Reader
    selection: Selection
    destination: Destination
    study: str
    request: str | None

    async def all_of(self, files: Collection[bytes]) -> list[_Stored]:
        return await asyncio.gather(*(self._one(file) for file in files))

    async def _one(self, file: bytes) -> _Stored:
        try:
            source = await asyncio.to_thread(read_source, file)
        except ImageError:
            return _Stored(None, Reason.CANNOT_UNDERSTAND)
        return _Stored(source, await self._failure(source, file))

    async def _failure(self, source: Source, file: bytes) -> Reason | None:
        if self.study and source.StudyInstanceUID != self.study:
            return Reason.NOT_OF_THE_STUDY
        # Of an image that the model is not for there are no results to store.
        with suppress(NotReadError):
            try:
                results = await results_of(self.reader, file, self.selection, self.request)
                await asyncio.to_thread(self.destination.store, list(results.files.values()))
            except ImageError:
                return Reason.CANNOT_UNDERSTAND
            except RefusedError:
                return Reason.PROCESSING_FAILURE
            except (UnreachableError, UnavailableError):
                return Reason.OUT_OF_RESOURCES
        return None


def _answer(stored: Collection[_Stored]) -> Response:
    told = Dataset()
    failed = [_item(one) for one in stored if one.failure]
    taken = [_item(one) for one in stored if not one.failure]
    if failed:
        told.FailedSOPSequence = failed
    if taken:
        told.ReferencedSOPSequence = taken
    status = HTTPStatus.CONFLICT if not taken else HTTPStatus.ACCEPTED if failed else HTTPStatus.OK
    return Response(json.dumps(told.to_json_dict()), status, media_type=DICOM_JSON)


def _item(stored: _Stored) -> Dataset:
    item = Dataset()
    if stored.source:
        item.ReferencedSOPClassUID = stored.source.SOPClassUID
        item.ReferencedSOPInstanceUID = stored.source.SOPInstanceUID
    if stored.failure:
        item.FailureReason = int(stored.failure)
    return item
