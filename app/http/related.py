"""The parts of a multipart/related body (RFC 2387), in memory, whose size the caller limits."""

from collections.abc import AsyncIterator
from io import BytesIO

from python_multipart.multipart import parse_options_header

from app.http.form import MAX_PARTS, FormError, parse


class _Parts:
    """Collects the parts while a parser goes through the body."""

    def __init__(self) -> None:
        self.found: list[bytes] = []
        self._part = BytesIO()

    def on_part_begin(self) -> None:
        if len(self.found) == MAX_PARTS:
            raise FormError
        self._part = BytesIO()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._part.write(memoryview(data)[start:end])

    def on_part_end(self) -> None:
        # Not `read`, which copies.
        self.found.append(self._part.getvalue())


async def parts(content_type: str, chunks: AsyncIterator[bytes]) -> list[bytes]:
    """The bytes of each part, in order.

    Args:
        content_type: the header, which has the boundary.
        chunks: of the body.

    Raises:
        FormError: it is no such body, or has more than a hundred parts.
    """
    collected = _Parts()
    await parse(
        content_type,
        {
            "on_part_begin": collected.on_part_begin,
            "on_part_data": collected.on_part_data,
            "on_part_end": collected.on_part_end,
        },
        chunks,
    )
    return collected.found


def kind_of_parts(content_type: str) -> str:
    """The media type that the header says of the root part, in lower case."""
    _, parameters = parse_options_header(content_type)
    return parameters.get(b"type", b"").decode("latin-1").strip().lower()
