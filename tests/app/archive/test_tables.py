import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from app.archive import tables
from app.archive.row import Row
from app.errors import ArchiveError
from tests.app.archive.rows import row

ROWS = [row('a, "b"\n.png'), Row(path="ä").failed("unreadable_file", "No such file.")]
SUFFIXES = (".parquet", ".csv", ".jsonl")


def test_json_lines_hold_every_row(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    tables.write(path, ROWS)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [json.loads(json.dumps(asdict(one))) for one in ROWS]


def test_csv_holds_every_row(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    tables.write(path, ROWS)
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["path"] == ROWS[0].path
    assert float(first["probability"]) == 0.875
    assert (first["prediction_set"], first["reasons"]) == (
        "NORMAL PNEUMONIA",
        "both_labels_possible",
    )
    assert (first["review"], first["lungs_cut_off"]) == ("true", "false")
    assert (second["path"], second["label"], second["problem"]) == ("ä", "", "unreadable_file")


def test_parquet_holds_every_row_in_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pneumoscope[archive] is not installed")
    monkeypatch.setattr(tables, "_BATCH", 1)
    path = tmp_path / "out.parquet"
    tables.write(path, ROWS)
    table = parquet.read_table(path)
    found = [
        one | {k: tuple(v) for k, v in one.items() if isinstance(v, list)}
        for one in table.to_pylist()
    ]
    assert found == [asdict(one) for one in ROWS]
    assert str(table.schema.field("width").type) == "int64"
    assert str(table.schema.field("prediction_set").type) == "list<element: string>"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_are_a_table_too(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    tables.write(path, [])
    assert path.is_file()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_there_stays_until_all_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_text("before")

    def failing() -> Iterator[Row]:
        yield ROWS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(ArchiveError, match="cannot be written: No space left on device"):
        tables.write(path, failing())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_suffix_that_is_none_is_told() -> None:
    with pytest.raises(ArchiveError, match=r"ends in none of \.parquet, \.csv, \.jsonl"):
        tables.writer(Path("out.xlsx"))


def test_parquet_without_its_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArchiveError, match=r"pip install 'pneumoscope\[archive\]'"):
        tables.writer(Path("out.parquet"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    tables.write(path, ROWS)
    assert tables.read(path) == ROWS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_table_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    with pytest.raises(ArchiveError, match="cannot be read: No such file"):
        tables.read(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ArchiveError, match="is no table of"):
        tables.read(path)
