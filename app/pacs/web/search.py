"""What a search over DICOMweb finds (PS3.18, 8.3.4 and annex F)."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from app.errors import UnreachableError


def everything(
    search: Callable[..., list[dict[str, Any]]], keywords: Sequence[str], who: str
) -> list[dict[str, Any]]:
    """All pages of a search (PS3.18, 8.3.4.4), each thing once.

    The client's own way of asking for them never ends where a PACS knows no offset. Pages repeat
    things where what they are sorted by changes meanwhile.

    Args:
        search: asks for a page.
        keywords: of the attributes to ask for, the first of which tells the things apart.
        who: answers, as sentences begin with it.

    Raises:
        UnreachableError: the answer is no list of objects.
    """
    tag = _tag(keywords[0])
    found: dict[str, dict[str, Any]] = {}
    received = 0
    while True:
        page = search(fields=keywords, offset=received)
        before = len(found)
        for item in page:
            if not isinstance(item, dict):
                raise UnreachableError(f"{who} gave no answer that can be read.")
            found.setdefault(json.dumps(item.get(tag, item)), item)
        if len(found) == before:
            return list(found.values())
        received += len(page)


def datasets(items: Iterable[dict[str, Any]], keywords: Sequence[str], who: str) -> list[Dataset]:
    """DICOM JSON (PS3.18, annex F), but for elements that nobody asked for.

    Raises:
        UnreachableError: it is none.
    """
    tags = [_tag(keyword) for keyword in keywords]
    try:
        return [
            Dataset.from_json({tag: item[tag] for tag in tags if tag in item}) for item in items
        ]
    # pydicom answers what is no DICOM JSON with errors of many types.
    except Exception as error:
        raise UnreachableError(f"{who} gave no answer that can be read.") from error


def _tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"
