from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, Sequence
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from app.imaging.dicom import attributes
from app.imaging.dicom import file as dicom_file


def written(keyword: str, vr: str, value: bytes) -> Dataset:
    """A dataset of one element, as it is read from a file."""
    tag = Tag(keyword)
    head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little") + vr.encode()
    body = head + len(value).to_bytes(2, "little") + value
    assert dicom_file  # which has pydicom read leniently
    return read_dataset(BytesIO(body), False, True)


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DS", b"2048", 2048),
        ("DS", b" 2048.5 ", 2048.5),
        ("DS", b"2048,5", 2048.5),
        ("DS", b"-1,5\\3", -1.5),
        ("DS", b"4.0\\9", 4),
        ("DS", b"1e3", 1000),
        ("DS", b".5", 0.5),
        ("DS", b"4096\0", 4096),
        ("LO", b"2048", 2048),
        ("US", b"\0\x08", 2048),
        ("DS", b"AUTO", None),
        ("DS", b"AUTO\\5", None),
        ("DS", b"2048 HU", None),
        ("DS", b"N/A", None),
        ("DS", b"1.024,5", None),
        ("DS", b"nan", None),
        ("DS", b"inf", None),
        ("DS", b"1e999", None),
        ("DS", b"\\", None),
        ("DS", b"", None),
        ("US", b"\1\2\3", None),
    ],
)
def test_a_number_is_read_as_leniently_as_it_can_be_told(
    vr: str, value: bytes, expected: float | None
) -> None:
    dataset = written("WindowCenter", vr, value)
    assert attributes.number(dataset, "WindowCenter") == expected
    assert attributes.number(dataset, "WindowCenter") == expected  # nothing was changed


def test_what_is_absent() -> None:
    dataset = Dataset()
    assert attributes.number(dataset, "WindowCenter") is None
    assert attributes.whole(dataset, "HighBit") is None
    assert attributes.code(dataset, "Modality") == ""
    assert attributes.values(dataset, "Modality") == []
    assert attributes.items(dataset, "VOILUTSequence") == []


@pytest.mark.parametrize(
    ("value", "expected"), [(b"2.0", 2), (b"2", 2), (b"2.5", None), (b"two", None)]
)
def test_a_whole_number(value: bytes, expected: int | None) -> None:
    assert attributes.whole(written("NumberOfFrames", "IS", value), "NumberOfFrames") == expected


@pytest.mark.parametrize("value", [b"cr", b" CR ", b"CR\\OT", b"Cr\0"])
def test_of_a_code_the_case_and_blanks_are_passed_over(value: bytes) -> None:
    assert attributes.code(written("Modality", "CS", value), "Modality") == "CR"


def test_the_items_of_a_sequence_or_of_what_is_none() -> None:
    item = Dataset()
    dataset = Dataset()
    dataset.VOILUTSequence = Sequence([item])
    assert attributes.items(dataset, "VOILUTSequence") == [item]
    assert attributes.items(written("VOILUTSequence", "LO", b"text"), "VOILUTSequence") == []
    assert attributes.items(written("VOILUTSequence", "SQ", b"\0\0text"), "VOILUTSequence") == []


@pytest.mark.parametrize("shortage", [MemoryError, ImportError])
def test_a_shortage_is_no_absent_attribute(
    shortage: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise shortage

    monkeypatch.setattr(Dataset, "__getitem__", fail)
    with pytest.raises(shortage):
        attributes.number(written("WindowCenter", "DS", b"5"), "WindowCenter")
