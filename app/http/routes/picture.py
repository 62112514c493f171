"""`POST /picture`: an image as a viewer shows it, with all of its gray values."""

from typing import Annotated, Any

import cv2
import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.http import upload
from app.http.negotiation import accepted
from app.http.routes.parts import (
    ReaderDependency,
    SettingsDependency,
    form_body,
    problem_responses,
    server_timing,
    unless_hung_up,
)
from app.imaging.depth import Depth
from app.imaging.errors import MIN_SIDE

router = APIRouter(tags=["reading"])

# A body and its headers.
Encoded = tuple[bytes, dict[str, str]]

_RAW, _PNG = "application/octet-stream", "image/png"
_MOST_SIDE = 2048
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
HEADERS = {
    "X-Picture-Width": "pixels",
    "X-Picture-Height": "pixels",
    "X-Rescale-Slope": "a pixel times this, plus the intercept, is its value in the image's units; "
    "negative where what is brighter has the lower values",
    "X-Rescale-Intercept": "in the image's units",
    "X-Window-Center": "of the window that the image is meant to be seen through, in its units",
    "X-Window-Width": "likewise; all is black below center - width / 2, white above "
    "center + width / 2",
}


def _documented() -> dict[str, Any]:
    number = {"type": "number"}
    return {
        "content": {media_type: {} for media_type in (_PNG, _RAW)},
        "headers": {name: {"description": of, "schema": number} for name, of in HEADERS.items()},
    }


@router.post(
    "/picture",
    summary="One image, decoded to 16 bits",
    response_class=Response,
    responses=problem_responses(400, 406, 408, 413, 415, 422, 503) | {200: _documented()},
    openapi_extra=form_body(),
)
async def picture(
    request: Request,
    reader: ReaderDependency,
    settings: SettingsDependency,
    max_side: Annotated[
        int, Query(ge=MIN_SIDE, le=_MOST_SIDE, description="the longest side is reduced to it")
    ] = _MOST_SIDE,
) -> Response:
    """The image in gray, upright, with all of its values, for a viewer that sets the window.

    0 is the darkest value of the image, 65,535 the brightest; the headers tell what they stand for,
    and the window through which the model sees the image. The answer is a PNG of 16 bits. For
    `Accept: application/octet-stream` it is the pixels themselves, as browsers read 8 bits of a
    PNG: rows from the top, of little-endian unsigned integers of 16 bits.
    """
    seconds: dict[str, float] = {}
    async with reader.admitted():
        data = await upload.one_file(request, *settings.upload_limits)
        media_type = accepted(request, [_RAW, _PNG], data, of_a_study=())
        encode = _png if media_type == _PNG else _raw
        work = reader.picture(data, max_side, encode, seconds)
        body, headers = await unless_hung_up(request, work)
    return Response(body, headers=headers | server_timing(seconds), media_type=media_type)


def _png(found: Depth) -> Encoded:
    _, encoded = cv2.imencode(".png", found.pixels, _FAST)
    return encoded.tobytes(), _headers(found)


def _raw(found: Depth) -> Encoded:
    return found.pixels.astype(np.dtype("<u2"), copy=False).tobytes(), _headers(found)


def _headers(found: Depth) -> dict[str, str]:
    height, width = found.pixels.shape
    values = width, height, found.slope, found.intercept, found.center, found.width
    return {name: f"{value:.10g}" for name, value in zip(HEADERS, values, strict=True)}
