"""Pages of a search, and what of them is taken over."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.errors import UnreachableError
from app.pacs.web.search import datasets, everything

KEYWORDS = ("SOPInstanceUID", "Modality")
WHO = "The archive"


def _item(uid: str, **others: Any) -> dict[str, Any]:
    return {"00080018": {"vr": "UI", "Value": [uid]}} | others


def _paged(held: Sequence[dict[str, Any]], size: int) -> Callable[..., list[dict[str, Any]]]:
    return lambda fields, offset: list(held[offset : offset + size])


def test_pages_are_asked_for_until_one_brings_nothing_new() -> None:
    held = [_item(f"1.{number}") for number in range(5)]

    assert everything(_paged(held, 2), KEYWORDS, WHO) == held
    # One that knows no offset.
    assert everything(lambda **_: held, KEYWORDS, WHO) == held
    # One that repeats a thing, as it is sorted otherwise by now.
    assert everything(_paged([*held, held[0], held[0]], 2), KEYWORDS, WHO) == held


def test_what_nobody_asked_for_is_left_out() -> None:
    name = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]}}

    [found] = datasets([_item("1.2", **name)], KEYWORDS, WHO)

    assert found.SOPInstanceUID == "1.2"
    assert len(found) == 1


def test_what_is_no_dicom_json() -> None:
    told = r"^The archive gave no answer that can be read\.$"
    with pytest.raises(UnreachableError, match=told):
        everything(lambda **_: ["x"], KEYWORDS, WHO)
    with pytest.raises(UnreachableError, match=told):
        datasets([{"00080018": 5}], KEYWORDS, WHO)
