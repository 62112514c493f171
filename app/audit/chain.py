"""The record on the disk: files of lines of JSON, each with the SHA-256 of the one before.

    readings-000000000001.jsonl
        {"number":1,"time":"2026-11-26T12:00:00.000Z",...,"previous":"000...000"}
        {"number":2,"time":"2026-11-26T12:00:01.000Z",...,"previous":"5f1..."}
    readings-000000000003.jsonl
        {"number":3,...}

A file is called after its first line. The chain goes on from file to file.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

# What the first line has instead of a digest.
ZEROS = "0" * 64
_PATTERN = "readings-*.jsonl"


def files(folder: Path) -> list[Path]:
    """The files of a record, in order."""
    return sorted(folder.glob(_PATTERN))


def file_name(number: int) -> str:
    """Of the file that begins with this line."""
    return f"readings-{number:012d}.jsonl"


def line(number: int, entry: dict[str, Any], previous: str) -> bytes:
    """A line of the record, with its end, written now."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content = {"number": number, "time": time, **entry, "previous": previous}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def digest(line: bytes) -> str:
    """The SHA-256 of a line without its end."""
    return sha256(line.removesuffix(b"\n")).hexdigest()


def number_and_previous(line: bytes) -> tuple[int, str] | None:
    """What chains a line to the others; None where it is no line of a record."""
    try:
        content = json.loads(line)
        number, previous = content["number"], content["previous"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(number) is int and number > 0 and isinstance(previous, str):
        return number, previous
    return None
