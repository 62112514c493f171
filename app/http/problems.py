"""Every error as `application/problem+json` (RFC 9457).

A problem never repeats what the client sent: an answer may be logged by whoever gets it.
"""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.errors import ImageError, UnavailableError, UnsupportedFormatError
from app.imaging.errors import SHORTAGES
from app.reading.metrics import Metrics

log = logging.getLogger("pneumoscope")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str = "about:blank"
    title: str = Field(description="the status in words", examples=["Content Too Large"])
    status: int = Field(examples=[413])
    code: str = Field(description="machine-readable", examples=["too_large"])
    detail: str = Field(description="what is wrong, in a sentence")


class Problem(Exception):  # noqa: N818  (RFC 9457's own word)
    """An error that the client is told."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.details = ProblemDetails(title=status.phrase, status=status, code=code, detail=detail)
        self.headers = headers


def too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"The request body is larger than {limit:,} bytes.",
    )


def too_slow(seconds: float) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_TIMEOUT,
        "too_slow",
        f"The request body took more than {seconds:g} s.",
        {"Connection": "close"},
    )


def short_of_resources() -> Problem:
    """The machine, not the image, is why an image was not read; it may be a moment later."""
    return _unavailable(
        "short_of_resources", "The service is short of memory; send it again later."
    )


def of(error: ImageError | UnavailableError) -> Problem:
    """What a client is told of an error of the domain."""
    if isinstance(error, UnavailableError):
        return _unavailable(error.code, str(error))
    if isinstance(error, UnsupportedFormatError):
        return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error.code, str(error))
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, str(error))


def _unavailable(code: str, detail: str) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, headers)


def install(app: FastAPI, metrics: Metrics) -> None:
    """Have every error of the app answered as a problem, and counted."""

    def told(problem: Problem) -> Response:
        metrics.problems.labels(problem.details.code).inc()
        return response(problem)

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return told(error)

    @app.exception_handler(ImageError)
    async def image(request: Request, error: ImageError) -> Response:
        return told(of(error))

    @app.exception_handler(UnavailableError)
    async def unavailable(request: Request, error: UnavailableError) -> Response:
        return told(of(error))

    async def shortage(request: Request, error: Exception) -> Response:
        log.error("A request failed with %s", type(error).__name__)
        return told(short_of_resources())

    for kind in SHORTAGES:
        app.add_exception_handler(kind, shortage)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code = status.name.lower()
        headers = dict(error.headers) if error.headers else None
        return told(Problem(status, code, f"{status.description or status.phrase}.", headers))

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        detail = f"{where}: {first['msg']}."
        return told(Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_parameter", detail))

    @app.exception_handler(ClientDisconnect)
    async def disconnect(request: Request, error: ClientDisconnect) -> Response:
        # Nobody reads this answer; the status is nginx's "client closed request".
        return Response(status_code=499)


def failure() -> Response:
    """The answer where the service itself failed."""
    detail = "The service failed; its log says more under this answer's X-Request-ID."
    return response(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail))


def response(problem: Problem) -> JSONResponse:
    """The answer that tells a problem."""
    return JSONResponse(
        problem.details.model_dump(),
        problem.details.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )
