"""`POST /explain`: where on the image the model looked."""

import base64
from http import HTTPStatus
from typing import Annotated, Literal

import mimeparse
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app import schemas, upload
from app.imaging import overlay
from app.problems import Problem
from app.routes.parts import (
    ReaderDependency,
    form_body,
    json_response,
    problem_responses,
    server_timing,
)

router = APIRouter(tags=["reading"])

_JSON = "application/json"
# The less desirable first, which is what mimeparse expects.
_PICTURES: dict[str, overlay.MediaType] = {"image/jpeg": "image/jpeg", "image/png": "image/png"}


@router.post(
    "/explain",
    summary="Read one chest X-ray, and show where the model looked",
    response_model=schemas.Explanation,
    responses=problem_responses(400, 406, 413, 415, 422, 503)
    | {200: {"content": {media_type: {} for media_type in _PICTURES}}},
    openapi_extra=form_body(),
)
async def explain(
    request: Request,
    reader: ReaderDependency,
    target: Annotated[
        Literal["predicted", "pneumonia", "normal"],
        Query(description="show what argues for this; `predicted` is the answer's own label"),
    ] = "predicted",
) -> Response:
    """The answer of `/predict`, plus the image with its Grad-CAM laid over it.

    The overlay comes as base64 in JSON, or by itself for `Accept: image/png` or `image/jpeg`.
    """
    accepted = _accepted(request)
    async with reader.admitted():
        data = await upload.one_file(request, reader.settings.max_upload_bytes)
        reading = await reader.read(data)
        shown: overlay.Target = "pneumonia" if reading.label == "PNEUMONIA" else "normal"
        if target != "predicted":
            shown = target
        media_type = _PICTURES.get(accepted, "image/png")
        picture, width, height = await reader.render(reading, shown, media_type)
    if accepted in _PICTURES:
        return Response(picture, headers=server_timing(reading.seconds), media_type=media_type)
    explanation = schemas.Explanation(
        **dict(schemas.prediction(reader, reading)),
        overlay=schemas.Overlay(
            target=shown.upper(),
            media_type=media_type,
            width=width,
            height=height,
            data=base64.b64encode(picture).decode(),
        ),
    )
    return json_response(explanation, reading.seconds)


def _accepted(request: Request) -> str:
    """The media type that suits the Accept header best, JSON where it has no preference.

    Raises:
        Problem: 406 where none suits.
    """
    header = request.headers.get("accept", "*/*")
    try:
        accepted: str = mimeparse.best_match([*_PICTURES, _JSON], header)
    except mimeparse.MimeTypeParseException:
        accepted = ""
    if not accepted:
        detail = f"This endpoint answers with {_JSON}, {' or '.join(_PICTURES)}."
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", detail)
    return accepted
