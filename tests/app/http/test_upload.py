"""Files out of a request's body."""

import asyncio
import gzip
import tempfile

import pytest
from fastapi import Request

from app.http import upload
from app.http.problems import Problem

BOUNDARY = b"frontier"
SECONDS = 60
PNG = b"\x89PNG\r\n\x1a\n..."


def _request(chunks: list[bytes], content_type: str, **headers: str) -> Request:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    raw = {"content-type": content_type, **headers}
    scope = {
        "type": "http",
        "headers": [(name.encode(), value.encode()) for name, value in raw.items()],
    }
    return Request(scope, receive)


def _form(*files: bytes) -> Request:
    parts = [
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n%b\r\n'
        % (BOUNDARY, file)
        for file in files
    ]
    body = b"".join(parts) + b"--%b--\r\n" % BOUNDARY
    return _request([body], f"multipart/form-data; boundary={BOUNDARY.decode()}")


def _code(request: Request, limit: int = 1000) -> str:
    with pytest.raises(Problem) as caught:
        asyncio.run(upload.one_file(request, limit, SECONDS))
    return caught.value.details.code


@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        "IMAGE/JPEG; charset=binary",
        "image/jpg",
        "image/x-png",
        "application/dicom; transfer-syntax=*",
        "binary/octet-stream",
    ],
)
def test_raw_body_is_joined_from_its_chunks(content_type: str) -> None:
    request = _request([b"ab", b"", b"c"], content_type)

    assert asyncio.run(upload.one_file(request, 3, SECONDS)) == b"abc"


@pytest.mark.parametrize("content_type", ["", " ", ";"])
def test_an_image_needs_no_content_type(content_type: str) -> None:
    assert asyncio.run(upload.one_file(_request([PNG], content_type), 1000, SECONDS)) == PNG
    assert _code(_request([b"text"], content_type)) == "unsupported_content_type"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "application/dicom+json"]
)
def test_what_says_that_it_is_no_image_is_none(content_type: str) -> None:
    assert _code(_request([PNG], content_type)) == "unsupported_content_type"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate, gzip"])
@pytest.mark.parametrize("content_type", ["image/png", "multipart/form-data; boundary=x", ""])
def test_a_compressed_body_is_told_for_one(coding: str, content_type: str) -> None:
    request = _request([gzip.compress(PNG)], content_type, **{"content-encoding": coding})

    assert _code(request) == "unsupported_content_encoding"


def test_no_compression_is_none() -> None:
    request = _request([PNG], "image/png", **{"content-encoding": "identity"})

    assert asyncio.run(upload.one_file(request, 1000, SECONDS)) == PNG


@pytest.mark.parametrize("packed", [gzip.compress(PNG), b"PK\x03\x04..."])
def test_a_compressed_file_is_told_for_one(packed: bytes) -> None:
    for request in (_form(packed), _request([packed], "image/png")):
        with pytest.raises(Problem, match="is compressed") as caught:
            asyncio.run(upload.one_file(request, 1000, SECONDS))
        assert caught.value.details.code == "unsupported_format"


def test_form_gives_the_files_bytes_and_their_order() -> None:
    assert asyncio.run(upload.one_file(_form(b"a\r\nb"), 1000, SECONDS)) == b"a\r\nb"
    assert asyncio.run(upload.several_files(_form(b"1", b"", b"3"), 1000, SECONDS, 3)) == [
        b"1",
        b"",
        b"3",
    ]


def test_declared_length_is_refused_before_a_byte_is_read() -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body was read")

    request = _request([], "image/png", **{"content-length": "1001"})
    request._receive = receive

    assert _code(request) == "too_large"


def test_a_body_that_lies_about_its_length_is_refused_at_the_limit() -> None:
    read = 0

    async def receive() -> dict[str, object]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": bytes(100), "more_body": True}

    request = _request([], "image/png", **{"content-length": "5"})
    request._receive = receive

    assert _code(request) == "too_large"
    assert read == 11


def test_a_form_is_never_spooled_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def rollover(self: object) -> None:
        raise AssertionError("a patient's image was written to disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    large = bytes(3 * 2**20)

    assert asyncio.run(upload.one_file(_form(large), 2**22, SECONDS)) == large


def test_hundreds_of_parts_are_malformed() -> None:
    assert _code(_form(*[b"x"] * 200), 100_000) == "malformed_form"


def test_a_body_that_does_not_come_is_refused_in_time() -> None:
    async def receive() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    request = _request([], "image/png")
    request._receive = receive

    with pytest.raises(Problem) as caught:
        asyncio.run(upload.one_file(request, 1000, 0.01))
    assert caught.value.details.code == "too_slow"
