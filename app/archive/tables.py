"""Rows as a file: Parquet, CSV or JSON Lines, whole or not at all."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_type_hints

from app.archive.row import Row
from app.errors import ArchiveError

Write = Callable[[Path, Iterable[Row]], None]

COLUMNS = tuple(Row.__dataclass_fields__)
# Rows that are held at once.
_BATCH = 4096


def writer(path: Path) -> Write:
    """What writes a table of the type that a file's suffix names.

    Raises:
        ArchiveError: it names none, or one whose library is not installed.
    """
    if path.suffix not in _WRITERS:
        raise ArchiveError(f"{path.name} ends in none of {', '.join(_WRITERS)}.")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ArchiveError(
                "Parquet needs pyarrow: pip install 'pneumoscope[archive]'."
            ) from error
    return _WRITERS[path.suffix]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a table; what was there before stays until all of it is on the disk.

    Raises:
        ArchiveError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        try:
            writer(path)(partial, rows)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror or error}.") from error


def read(path: Path) -> list[Row]:
    """The rows of a table that `write` wrote.

    Raises:
        ArchiveError: it is none, or cannot be read.
    """
    writer(path)
    try:
        return [_row(fields) for fields in _READERS[path.suffix](path)]
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}.") from error
    # Each library has its own errors for what is no such table.
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ArchiveError(f"{path} is no table of `pneumoscope archive`.") from error


def _row(fields: dict[str, Any]) -> Row:
    """A row of values, which are text where the table knows no types."""
    return Row(**{name: _typed(fields[name], kind) for name, kind in get_type_hints(Row).items()})


def _typed(value: Any, kind: Any) -> Any:
    if kind == tuple[str, ...]:
        return tuple(value.split() if isinstance(value, str) else value)
    if not isinstance(value, str) or kind is str:
        return value
    if value == "" or kind == str | None:
        return value or None
    return value == "true" if kind == bool | None else get_args(kind)[0](value)


def _read_json_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    with path.open("rb") as file:
        rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    return rows


def _write_json_lines(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(asdict(row), ensure_ascii=False)}\n" for row in rows)


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Several codes in one field have a space between them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([_plain(value) for value in vars(row).values()] for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else value


def _write_parquet(path: Path, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        str: pa.string(),
        str | None: pa.string(),
        float | None: pa.float64(),
        int | None: pa.int64(),
        bool | None: pa.bool_(),
        tuple[str, ...]: pa.list_(pa.string()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in get_type_hints(Row).items()])
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        for batch in _batches(rows):
            file.write_table(pa.Table.from_pylist([asdict(row) for row in batch], schema))


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH)):
        yield batch


_WRITERS: dict[str, Write] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
}
_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
}
