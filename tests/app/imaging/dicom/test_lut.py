import struct
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence

from app.errors import UnreadableImageError
from app.imaging.dicom.lut import first_table, lookup

VALUES = np.arange(-32768.0, 65536)


def at(found: Any, *values: int) -> list[int]:
    entries, _ = found
    return [int(entries[value + 32768]) for value in values]


def test_values_before_and_after_the_table_get_its_ends() -> None:
    found = lookup(VALUES, (3, 10, 12), [100, 200, 300], little_endian=True)
    assert at(found, -5, 9, 10, 11, 12, 13, 60_000) == [100, 100, 100, 200, 300, 300, 300]
    assert found[1] == 9  # whatever the descriptor says: what holds 300


@pytest.mark.parametrize(("little_endian", "order"), [(True, "<"), (False, ">")])
def test_entries_are_read_in_the_order_of_their_bytes(little_endian: bool, order: str) -> None:
    data = struct.pack(f"{order}3H", 1, 258, 65535)
    found = lookup(VALUES, (3, 0, 16), data, little_endian=little_endian)
    assert at(found, 0, 1, 2) == [1, 258, 65535]


def test_two_entries_may_share_a_word() -> None:
    found = lookup(VALUES, (3, 0, 16), bytes([7, 8, 9, 0]), little_endian=True)
    assert (at(found, 0, 1, 2, 3), found[1]) == ([7, 8, 9, 9], 8)


@pytest.mark.parametrize("count", [0, 65536])
def test_none_stands_for_all_of_16_bits(count: int) -> None:
    table = np.arange(65536)[::-1]
    found = lookup(VALUES, (count, 0, 16), table, little_endian=True)
    assert at(found, 0, 65535) == [65535, 0]


def test_numbers_read_with_the_wrong_sign() -> None:
    table = np.arange(40_000)
    found = lookup(VALUES, (40_000 - 65536, 65536 - 100, 16), table, little_endian=True)
    assert at(found, -101, -99, 0, 39_899, 39_900) == [0, 1, 100, 39_999, 39_999]


def test_a_high_first_value_of_what_is_never_negative() -> None:
    found = lookup(np.arange(65536.0), (2, 40_000, 8), [1, 2], little_endian=True)
    assert found[0][40_001] == 2
    assert found[0][40_000] == 1


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("missing", [1, 2, 10])
def test_a_few_missing_entries_are_as_the_last_one(missing: int, bits: int) -> None:
    data = struct.pack("<1000H", *range(1000))
    for short in (data[: -2 * missing], list(range(1000 - missing))):
        found = lookup(VALUES, (1000, 0, bits), short, little_endian=True)
        assert at(found, 0, 500, 999 - missing, 999) == [0, 500, 999 - missing, 999 - missing]
        assert found[1] == 10


def test_a_byte_more_or_less_is_no_table_of_bytes() -> None:
    data = struct.pack("<1000H", *range(1000)) + b"\0"
    for odd in (data, data[:-2]):
        assert at(lookup(VALUES, (1000, 0, 16), odd, little_endian=True), 500) == [500]


def test_entries_read_with_the_wrong_sign() -> None:
    found = lookup(VALUES, (3, 0, 16), [0, -32768, -1], little_endian=True)
    assert (at(found, 0, 1, 2), found[1]) == ([0, 32768, 65535], 16)


def test_a_first_value_read_with_the_wrong_sign() -> None:
    found = lookup(np.arange(65536.0), (3, 40_000 - 65536, 8), [1, 2, 3], little_endian=True)
    assert found[0][40_001] == 2


def table(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        item.add_new(keyword, "OW" if keyword == "LUTData" else "US", value)
    return item


WHOLE = table(LUTDescriptor=[2, 0, 16], LUTData=b"\1\0\2\0")
EMPTY = [
    table(),
    table(LUTDescriptor=[2, 0, 16]),
    table(LUTData=b"\1\0\2\0"),
    table(LUTDescriptor=None, LUTData=None),
    table(LUTDescriptor=[2, 0, 16], LUTData=b""),
    table(LUTDescriptor=2, LUTData=b"\1\0\2\0"),
]


@pytest.mark.parametrize("empty", EMPTY)
def test_an_item_without_a_table_counts_as_absent(empty: Dataset) -> None:
    dataset = Dataset()
    dataset.VOILUTSequence = Sequence([empty])
    assert first_table(dataset, "VOILUTSequence") is None
    dataset.VOILUTSequence = Sequence([empty, WHOLE])
    found = first_table(dataset, "VOILUTSequence")
    assert found
    assert (list(found.descriptor), found.data) == ([2, 0, 16], b"\1\0\2\0")


@pytest.mark.parametrize("data", [b"", b"\1\2\3", [1, 2, 3], 5])
def test_a_table_that_is_too_short(data: Any) -> None:
    with pytest.raises(UnreadableImageError, match="shorter than it says"):
        lookup(VALUES, (4, 0, 8), data, little_endian=True)
