"""Image files out of a request's body, which is limited while it arrives and never spooled."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from io import BytesIO

from fastapi import Request

from app.http import form, related
from app.http.problems import Problem, too_large, too_slow
from app.imaging.formats import format_of
from app.reading import admission

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
INSTANCES = "multipart/related"
_DICOM = "application/dicom"
# Of a body that is the file itself. Its bytes tell which: `image/jpg`, which nobody registered, or
# `image/x-png` are no mistakes that matter.
_FILE_TYPE = re.compile(r"image/.+|application/dicom|(application|binary)/octet-stream")
_IDENTITY = "identity"
# What compressed files begin with.
_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "ZIP"}


async def one_file(request: Request, limit: int, seconds: float) -> bytes:
    """The bytes of the one image that the request carries.

    A body that does not say what it is counts as a file where its bytes are an image's.

    Raises:
        Problem: 400 for none, an empty one, several or a malformed form; 408 where it has not come
            after `seconds`; 413 over `limit` bytes; 415 for a body of another type, and for a
            compressed one; 503 where there is no room for its bytes.
    """
    async with _deadline(seconds):
        media_type = _media_type(request)
        if not media_type or _FILE_TYPE.fullmatch(media_type):
            body = BytesIO()
            async for chunk in _limited(request, limit):
                body.write(chunk)
            # Not `read`, which copies.
            data = body.getvalue()
            if not media_type and not format_of(data):
                raise _unknown_type()
            return plain(data)
        files = await _parts(request, limit)
    if len(files) > 1:
        raise _bad_request("several_files", "Send one file, or several to /predict/batch.")
    return plain(files[0])


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


async def instances(request: Request, limit: int, seconds: float) -> list[bytes]:
    """The DICOM files of a body as STOW-RS has it (PS3.18, 10.5).

    Raises:
        Problem: as `one_file`, save that several files are what is wanted.
    """
    content_type = request.headers.get("content-type", "")
    if _media_type(request) != INSTANCES or related.kind_of_parts(content_type) != _DICOM:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_type",
            f'Send {INSTANCES} with type="{_DICOM}", and an instance in each part.',
        )
    async with _deadline(seconds):
        try:
            parts = await related.parts(content_type, _limited(request, limit))
        except form.FormError:
            raise _malformed() from None
    if not parts:
        raise _bad_request("no_file", "The body has no instance.")
    return parts


def plain(data: bytes) -> bytes:
    """The file's bytes.

    Raises:
        Problem: 400 where there are none; 415 where they are packed.
    """
    if not data:
        raise _bad_request("empty_file", "The file is empty.")
    for magic, name in _PACKED.items():
        if data.startswith(magic):
            detail = f"The file is compressed ({name}): send the image itself."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_format", detail)
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
        raise _unknown_type()
    content_type = request.headers["content-type"]
    try:
        files = await form.files(content_type, FIELD, _limited(request, limit))
    except form.FormError:
        raise _malformed() from None
    if not files:
        raise _bad_request("no_file", f"The form has no file in a part named {FIELD}.")
    return files


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """The body's chunks, up to `limit` bytes of them."""
    _check_coding(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal():
        if int(declared) > limit:
            raise too_large(limit)
        admission.hold(int(declared))
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise too_large(limit)
        admission.hold(received)
        yield chunk


def _check_coding(request: Request) -> None:
    """Pass where the body is not compressed: it would be limited at another size than it has.

    Raises:
        Problem: 415, with what is taken instead (RFC 9110, 12.5.3).
    """
    if request.headers.get("content-encoding", _IDENTITY).strip().lower() != _IDENTITY:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "The request body is compressed (Content-Encoding): send it as it is.",
            {"Accept-Encoding": _IDENTITY},
        )


def _unknown_type() -> Problem:
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_content_type",
        f"Send {_MULTIPART} with a part named {FIELD}, or the image with its own content type.",
    )


def _malformed() -> Problem:
    return _bad_request("malformed_form", "The multipart body is malformed.")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _bad_request(code: str, detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, code, detail)
