"""Which parts of a form are files."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.http.form import FormError, files
from tests import synthetic

PNG = synthetic.encode(synthetic.chest(3, size=(64, 64)))
TYPE = "multipart/form-data; boundary=x"


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def _files(*parts: bytes, size: int = 2**16, content_type: str = TYPE) -> list[bytes]:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    return asyncio.run(files(content_type, "file", _chunks(body, size)))


def _part(disposition: bytes, data: bytes) -> bytes:
    return b"Content-Disposition: form-data; " + disposition + b"\r\n\r\n" + data


@pytest.mark.parametrize(
    "disposition",
    [
        b'name="file"; filename="x.png"',
        b'name="file"; filename=""',
        b"name=file; filename=x",
        b'filename="x"; name="file"',
        b"name=\"file\"; filename*=UTF-8''r%C3%B6ntgen.png",
        b"name=\"file\"; FileName*=UTF-8''x",
    ],
)
def test_what_has_a_file_name_is_a_file(disposition: bytes) -> None:
    assert _files(_part(disposition, b"anything")) == [b"anything"]


def test_an_image_is_one_without_a_name_too() -> None:
    assert _files(_part(b'name="file"', PNG)) == [PNG]
    assert _files(_part(b'name="file"', b"text")) == []


def test_an_image_of_more_than_a_megabyte_is_one_without_a_name() -> None:
    large = PNG + bytes(3 * 2**20)
    assert _files(_part(b'name="file"', large)) == [large]


@pytest.mark.parametrize("size", [1, 7, 2**16])
def test_the_bytes_and_their_order_are_kept(size: int) -> None:
    parts = [
        _part(b'name="file"; filename="a"', b"\r\n--y\r\n"),
        _part(b'name="other"; filename="b"', b"other"),
        _part(b'name="file"; filename="c"', b""),
    ]
    assert _files(*parts, size=size) == [b"\r\n--y\r\n", b""]


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"]
)
def test_a_boundary_is_needed(content_type: str) -> None:
    with pytest.raises(FormError):
        _files(content_type=content_type)


@pytest.mark.parametrize("part", [b"\r\n\r\ndata", _part(b'filename="a"', b""), b"no header"])
def test_a_part_without_a_name_is_malformed(part: bytes) -> None:
    with pytest.raises(FormError):
        _files(part)


def test_parts_are_counted() -> None:
    assert len(_files(*[_part(b'name="file"; filename="a"', b"")] * 100)) == 100
    with pytest.raises(FormError):
        _files(*[_part(b'name="other"', b"")] * 101)
