"""`POST /explain`: where on the image the model looked."""

import base64
from functools import partial
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.codes import Label
from app.http import schemas, upload
from app.http.negotiation import DICOM, JSON, accepted
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
from app.imaging import overlay
from app.reading.reading import Reading

router = APIRouter(tags=["reading"])

_PICTURES: dict[str, overlay.MediaType] = {"image/jpeg": "image/jpeg", "image/png": "image/png"}
_EMBEDDED: overlay.MediaType = "image/jpeg"


@router.post(
    "/explain",
    summary="Read one chest X-ray, and show where the model looked",
    response_model=schemas.MappedExplanation | schemas.Explanation,
    responses=problem_responses(400, 406, 408, 413, 415, 422, 503)
    | {200: {"content": {media_type: {} for media_type in (*_PICTURES, DICOM)}}},
    openapi_extra=form_body(),
)
async def explain(
    request: Request,
    reader: ReaderDependency,
    settings: SettingsDependency,
    target: Annotated[
        Literal["predicted", "pneumonia", "normal"],
        Query(description="show what argues for this; `predicted` is the answer's own label"),
    ] = "predicted",
    maps: Annotated[
        bool, Query(description="add the raw maps to JSON: the evidence, signed, and P(lung)")
    ] = False,
) -> Response:
    """The answer of `/predict`, plus the image with its Grad-CAM laid over it.

    A thin line is the outline of the lungs that the model found. The overlay comes as base64 in
    JSON, or by itself for `Accept: image/png` or `image/jpeg`. For `Accept: application/dicom`,
    where the image is DICOM, it comes as a Secondary Capture for the same study.
    """
    async with reader.admitted():
        data = await upload.one_file(request, *settings.upload_limits)
        media_type = accepted(request, [*_PICTURES, JSON], data)
        reading = await unless_hung_up(request, read(request, data))
        shown = reading.target if target == "predicted" else target
        if media_type == DICOM:
            encode = partial(_secondary_capture, data, reading, shown)
        else:
            encode = partial(overlay.encode, media_type=_PICTURES.get(media_type, _EMBEDDED))
        rendering = reader.render(reading, shown, encode)
        picture, width, height = await unless_hung_up(request, rendering)
    if media_type != JSON:
        return Response(picture, headers=server_timing(reading.seconds), media_type=media_type)
    explanation = schemas.Explanation(
        **dict(schemas.prediction(reading)),
        evidence_in_lungs=reading.evidence_in_lungs(shown),
        overlay=schemas.Overlay(
            target=Label.PNEUMONIA if shown == "pneumonia" else Label.NORMAL,
            media_type=_EMBEDDED,
            width=width,
            height=height,
            data=base64.b64encode(picture).decode(),
        ),
    )
    if maps:
        explanation = schemas.MappedExplanation(**dict(explanation), maps=schemas.maps(reading))
    return json_response(explanation, reading.seconds)


def _secondary_capture(
    data: bytes,
    reading: Reading,
    target: overlay.Target,
    picture: npt.NDArray[np.uint8],
) -> bytes:
    # Here, since highdicom takes 20 MB, and up to a second, of a service that may never need it.
    from app.dicom_results.secondary_capture import secondary_capture
    from app.dicom_results.source import read_source

    return secondary_capture(read_source(data), reading, picture, target)
