"""The parts of a multipart/related body."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.http.form import MAX_PARTS, FormError
from app.http.related import kind_of_parts, parts

TYPE = 'multipart/related; type="application/dicom"; boundary=x'


def _parts(body: bytes, content_type: str = TYPE, size: int = 7) -> list[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(parts(content_type, chunks()))


def _body(*contents: bytes) -> bytes:
    head = b"--x\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + content + b"\r\n" for content in contents) + b"--x--\r\n"


def test_parts_come_in_order_byte_for_byte() -> None:
    assert _parts(_body(b"one\r\n-", b"", b"\0--x")) == [b"one\r\n-", b"", b"\0--x"]


def test_a_part_needs_no_header() -> None:
    assert _parts(b"--x\r\n\r\none\r\n--x--\r\n") == [b"one"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"no part", TYPE),
        (_body(b"one"), "multipart/related"),
        (_body(*[b""] * (MAX_PARTS + 1)), TYPE),
        (_body(b"one"), f"{TYPE}{'x' * 300}"),
    ],
)
def test_what_is_none_is_told(body: bytes, content_type: str) -> None:
    with pytest.raises(FormError):
        _parts(body, content_type)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (TYPE, "application/dicom"),
        ("multipart/related; boundary=x; type=Application/DICOM", "application/dicom"),
        ("multipart/related; boundary=x", ""),
    ],
)
def test_the_kind_of_the_parts(content_type: str, kind: str) -> None:
    assert kind_of_parts(content_type) == kind
