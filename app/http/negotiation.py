"""Which media type an answer has (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from http import HTTPStatus

import mimeparse
from fastapi import Request

from app.http.problems import Problem
from app.imaging.formats import is_dicom

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
FHIR = "application/fhir+json"
JSON = "application/json"
_LONGEST = 1024


def accepted(
    request: Request,
    media_types: Sequence[str],
    data: bytes,
    of_a_study: Sequence[str] = (DICOM,),
) -> str:
    """The media type that suits the Accept header best; DICOM only by its name.

    Args:
        request: the client's.
        media_types: what the endpoint answers with, the less desirable first.
        data: the image.
        of_a_study: what it answers a DICOM image with besides; to another, there is no study that
            such an answer could belong to.

    Raises:
        Problem: 406 where none suits, and for a header of over 1,024 characters.
    """
    header = request.headers.get("accept", "*/*")
    # The parser takes a time that grows with its square.
    if len(header) > _LONGEST:
        header = ""
    # The less desirable first, which is what mimeparse expects.
    offers = [*of_a_study, *media_types] if is_dicom(data) else media_types
    try:
        best: str = mimeparse.best_match(offers, header)
    except mimeparse.MimeTypeParseException:
        best = ""
    if not best:
        detail = f"This endpoint answers with {' or '.join(media_types)}."
        if of_a_study:
            detail += (
                f" To a DICOM image, whose study the answer then belongs to, it answers with"
                f" {' or '.join(of_a_study)} too."
            )
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", detail)
    return best
