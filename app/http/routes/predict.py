"""`POST /predict` and `POST /predict/batch`: is there pneumonia on the image, or on each?"""

import asyncio
import json
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import ImageError, UnavailableError
from app.http import problems, schemas, upload
from app.http.negotiation import DICOM, FHIR, JSON, accepted
from app.http.routes.parts import (
    ReaderDependency,
    SettingsDependency,
    form_body,
    json_response,
    problem_responses,
    read,
    server_timing,
    unless_hung_up,
)
from app.reading.reading import Reading

router = APIRouter(tags=["reading"])


@router.post(
    "/predict",
    summary="Read one chest X-ray",
    response_model=schemas.Prediction,
    responses=problem_responses(400, 406, 408, 413, 415, 422, 503)
    | {200: {"content": {DICOM: {}, FHIR: {}}}},
    openapi_extra=form_body(),
)
async def predict(
    request: Request, reader: ReaderDependency, settings: SettingsDependency
) -> Response:
    """The calibrated probability of pneumonia, and the label that the threshold makes of it.

    Send an image as the multipart field `file`, or as the raw body with its own content type.
    Where the image is DICOM, `Accept: application/dicom` asks for a Structured Report for the same
    study, and `Accept: application/fhir+json` for a FHIR R4 transaction of a DiagnosticReport.
    """
    async with reader.admitted():
        data = await upload.one_file(request, *settings.upload_limits)
        media_type = accepted(request, [JSON], data, of_a_study=(FHIR, DICOM))
        reading = await unless_hung_up(request, read(request, data))
        if media_type != JSON:
            write = _structured_report if media_type == DICOM else _fhir
            work = partial(write, data, reading)
            rendering = reader.timed("render", reading.seconds, work)
            report = await unless_hung_up(request, rendering)
            headers = server_timing(reading.seconds)
            return Response(report, headers=headers, media_type=media_type)
    return json_response(schemas.prediction(reading), reading.seconds)


@router.post(
    "/predict/batch",
    summary="Read several chest X-rays",
    response_model=schemas.Batch,
    responses=problem_responses(400, 408, 413, 415, 503),
    openapi_extra=form_body(several=True),
)
async def predict_batch(
    request: Request, reader: ReaderDependency, settings: SettingsDependency
) -> Response:
    """A prediction or a problem for each part named `file`, in their order."""
    async with reader.admitted():
        limits = *settings.upload_limits, settings.max_files
        files = await upload.several_files(request, *limits)
        items = await unless_hung_up(request, _items(request, files))
    return json_response(schemas.Batch(items=items))


async def _items(request: Request, files: list[bytes]) -> list[schemas.BatchItem]:
    return await asyncio.gather(*(_item(request, data) for data in files))


async def _item(request: Request, data: bytes) -> schemas.BatchItem:
    try:
        reading = await read(request, upload.plain(data))
    except (ImageError, UnavailableError) as error:
        return schemas.BatchItem(problem=problems.of(error).details)
    except problems.Problem as problem:
        return schemas.BatchItem(problem=problem.details)
    return schemas.BatchItem(prediction=schemas.prediction(reading))


def _structured_report(data: bytes, reading: Reading) -> bytes:
    # Here, since highdicom takes 20 MB, and up to a second, of a service that may never need it.
    from app.dicom_results.source import read_source
    from app.dicom_results.structured_report import structured_report

    return structured_report(read_source(data), reading)


def _fhir(data: bytes, reading: Reading) -> bytes:
    from app.dicom_results.source import read_source
    from app.fhir.report import transaction

    return json.dumps(transaction(read_source(data), reading)).encode()
