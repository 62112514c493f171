"""Image files out of a request's body, which is limited while it arrives and never spooled."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.problems import Problem, too_large, too_slow

FIELD = "file"
RAW_TYPES = (
    "application/dicom",
    "application/octet-stream",
    "image/bmp",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/webp",
)
_MULTIPART = "multipart/form-data"
_MAX_FIELDS = 100


async def one_file(request: Request, limit: int, seconds: float) -> bytes:
    """The bytes of the one image that the request carries.

    Raises:
        Problem: 400 for none, an empty one, several or a malformed form; 408 where it has not come
            after `seconds`; 413 over `limit` bytes; 415 for a body of another type.
    """
    async with _deadline(seconds):
        if _media_type(request) in RAW_TYPES:
            return not_empty(b"".join([chunk async for chunk in _limited(request, limit)]))
        files = await _parts(request, limit)
    if len(files) > 1:
        raise _bad_request("several_files", "Send one file, or several to /predict/batch.")
    return not_empty(files[0])


async def several_files(request: Request, limit: int, seconds: float, most: int) -> list[bytes]:
    """The bytes of each part named `file`, in order.

    Raises:
        Problem: as `one_file`, save that several files are what is wanted, up to `most`.
    """
    async with _deadline(seconds):
        files = await _parts(request, limit)
    if len(files) > most:
        raise _bad_request("too_many_files", f"Send at most {most} files at a time.")
    return files


def not_empty(data: bytes) -> bytes:
    """The file's bytes.

    Raises:
        Problem: 400 where there are none.
    """
    if not data:
        raise _bad_request("empty_file", "The file is empty.")
    return data


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    """So that a client who sends slowly, or not at all, does not hold a place for long."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise too_slow(seconds) from None


async def _parts(request: Request, limit: int) -> list[bytes]:
    if _media_type(request) != _MULTIPART:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_type",
            f"Send {_MULTIPART} with a part named {FIELD}, or the image with its own content type.",
        )
    parser = MultiPartParser(
        request.headers, _limited(request, limit), max_files=_MAX_FIELDS, max_fields=_MAX_FIELDS
    )
    parser.spool_max_size = limit + 1
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError):
        raise _bad_request("malformed_form", "The multipart body is malformed.") from None
    files = [part for part in form.getlist(FIELD) if isinstance(part, UploadFile)]
    if not files:
        raise _bad_request("no_file", f"The form has no file in a part named {FIELD}.")
    return [await file.read() for file in files]


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """The body's chunks, up to `limit` bytes of them."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise too_large(limit)
        yield chunk


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _bad_request(code: str, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, code, detail)
