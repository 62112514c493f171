"""The files in a multipart form (RFC 7578), in memory, whose size the caller limits.

What is not the field that is asked for is passed over, and never kept.
"""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.imaging.formats import format_of

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_DISPOSITION = b"content-disposition"
MAX_PARTS = 100


class FormError(Exception):
    """The form is malformed."""


class _Files:
    """Collects the files of one field while a parser goes through the form.

    A part is a file where it has a file name, whichever way it is written, and also where it has
    none, but holds an image: not every client names what it made itself.
    """

    def __init__(self, field: bytes) -> None:
        self._field = field
        self.found: list[bytes] = []
        self._parts = 0
        self._start()

    def _start(self) -> None:
        self._name, self._value, self._disposition = b"", b"", b""
        self._file = BytesIO()
        self._is_wanted = self._is_named = False

    def on_part_begin(self) -> None:
        self._start()
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormError

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._name.lower() == _DISPOSITION:
            self._disposition = self._value
        self._name, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        if b"name" not in parameters:
            raise FormError
        self._is_wanted = parameters[b"name"] == self._field
        # The parser passes over `filename*`, which RFC 7578 forbids, and clients send.
        self._is_named = b"filename" in parameters or b"filename*" in self._disposition.lower()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_wanted:
            self._file.write(memoryview(data)[start:end])

    def on_part_end(self) -> None:
        if self._is_wanted:
            # Not `read`, which copies.
            data = self._file.getvalue()
            if self._is_named or format_of(data):
                self.found.append(data)


async def files(content_type: str, field: str, chunks: AsyncIterator[bytes]) -> list[bytes]:
    """The bytes of each file in the form's parts of one name, in order.

    Args:
        content_type: the header, which has the boundary.
        field: the parts' name.
        chunks: of the body.

    Raises:
        FormError: it is no such form, or has more than a hundred parts.
    """
    collected = _Files(field.encode())
    await parse(
        content_type,
        {
            "on_part_begin": collected.on_part_begin,
            "on_header_field": collected.on_header_field,
            "on_header_value": collected.on_header_value,
            "on_header_end": collected.on_header_end,
            "on_headers_finished": collected.on_headers_finished,
            "on_part_data": collected.on_part_data,
            "on_part_end": collected.on_part_end,
        },
        chunks,
    )
    return collected.found


async def parse(
    content_type: str, callbacks: "MultipartCallbacks", chunks: AsyncIterator[bytes]
) -> None:
    """Go through a multipart body of any kind.

    Args:
        content_type: the header, which has the boundary.
        callbacks: the parser's.
        chunks: of the body.

    Raises:
        FormError: it is no such body.
    """
    _, parameters = parse_options_header(content_type)
    try:
        parser = MultipartParser(parameters[b"boundary"], callbacks)
        async for chunk in chunks:
            parser.write(chunk)
    except (KeyError, FormParserError):
        raise FormError from None
