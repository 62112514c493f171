"""Which media type an answer has (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from http import HTTPStatus

import mimeparse
from fastapi import Request

from app.http.problems import Problem
from app.imaging.formats import is_dicom

DICOM = "application/dicom"
JSON = "application/json"
_LONGEST = 1024


def accepted(request: Request, media_types: Sequence[str], data: bytes | None = None) -> str:
    """The media type that suits the Accept header best; DICOM only by its name.

    Args:
        request: the client's.
        media_types: what the endpoint answers with besides DICOM, the less desirable first.
        data: the image, where the endpoint also answers in DICOM. Only a DICOM image is, there
            being no study to put the answer to another into.

    Raises:
        Problem: 406 where none suits, and for a header of over 1,024 characters.
    """
    header = request.headers.get("accept", "*/*")
    # The parser takes a time that grows with its square.
    if len(header) > _LONGEST:
        header = ""
    # The less desirable first, which is what mimeparse expects.
    offers = [DICOM, *media_types] if data is not None and is_dicom(data) else media_types
    try:
        best: str = mimeparse.best_match(offers, header)
    except mimeparse.MimeTypeParseException:
        best = ""
    if not best:
        detail = f"This endpoint answers with {' or '.join(media_types)}"
        if data is not None:
            detail += (
                f", and to a DICOM image, whose study the answer then belongs to, with {DICOM} too"
            )
        detail += "."
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", detail)
    return best
