"""What the endpoints that take images have in common."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.audit import recorded
from app.http import upload
from app.http.correlation import Trace
from app.http.problems import MEDIA_TYPE, ProblemDetails
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.reading.reading import Reading
from app.settings import Settings

T = TypeVar("T")
_BINARY = {"type": "string", "format": "binary"}


# Asynchronous, so that FastAPI does not send it through a thread.
async def _reader(request: Request) -> Reader:
    reader: Reader = request.app.state.reader
    return reader


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


ReaderDependency = Annotated[Reader, Depends(_reader)]
SettingsDependency = Annotated[Settings, Depends(_settings)]
MetricsDependency = Annotated[Metrics, Depends(_metrics)]


async def read(request: Request, data: bytes) -> Reading:
    """Read an image; where there is a record, nothing is answered that is not in it.

    Args:
        request: which asks for it.
        data: the image file's bytes.

    Raises:
        ImageError: as `Reader.read`; that is recorded as well.
        NotRecordedError: the record cannot be written.
    """
    scope, state = request.scope, request.app.state
    trace: Trace | None = scope.get("trace")
    asked = {
        "request": scope.get("request_id"),
        "trace": trace and trace.trace_id,
        "caller": scope.get("caller"),
    }
    return await recorded.read(state.reader, data, state.record, **asked)


async def unless_hung_up(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled where the client hangs up.

    Args:
        request: whose body has been read.
        work: what it asks for.

    Raises:
        ClientDisconnect: the client hung up.
    """
    working, watching = asyncio.create_task(work), asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of an endpoint, for its OpenAPI description."""
    schema = {"schema": ProblemDetails.model_json_schema()}
    return {
        status: {"description": "a problem (RFC 9457)", "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }


def form_body(*, several: bool = False) -> dict[str, Any]:
    """The multipart form with the image or images, for OpenAPI; Swagger UI offers a file dialog."""
    part = {"type": "array", "items": _BINARY} if several else _BINARY
    form = {"type": "object", "required": [upload.FIELD], "properties": {upload.FIELD: part}}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not several:
        content |= {media_type: {"schema": _BINARY} for media_type in upload.RAW_TYPES}
    return {"requestBody": {"required": True, "content": content}}


def json_response(body: BaseModel, seconds: dict[str, float] | None = None) -> Response:
    """A model as JSON, with its stage times, in seconds, as Server-Timing."""
    headers = server_timing(seconds) if seconds else None
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")


def server_timing(seconds: dict[str, float]) -> dict[str, str]:
    """The header Server-Timing (W3C), in milliseconds."""
    return {"Server-Timing": ", ".join(f"{k};dur={v * 1e3:.2f}" for k, v in seconds.items())}
