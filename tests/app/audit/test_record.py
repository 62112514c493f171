"""Writing the record: what is on the disk, whatever becomes of the process and of the disk."""

import asyncio
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.audit import chain
from app.audit.record import Record
from app.audit.verify import verify
from app.errors import NotRecordedError, ServeError
from tests.app.full_disk import full_disk

# A line of which takes about 200 bytes.
ENTRY = {"answer": {"label": "NORMAL", "probability": 0.1}}
# Writes lines until it is killed, and says so of each.
WRITER = """
import asyncio, sys
from pathlib import Path
from app.audit.record import Record

async def write():
    record = Record(Path(sys.argv[1]), 4096)
    while True:
        await asyncio.gather(*(record.append({"answer": {"label": "NORMAL"}}) for _ in range(8)))
        print("written", flush=True)

asyncio.run(write())
"""


def _append(record: Record, count: int = 1, **more: Any) -> None:
    async def append() -> None:
        await asyncio.gather(*(record.append(ENTRY | more) for _ in range(count)))

    asyncio.run(append())


def _write(folder: Path, count: int, most_bytes: int = 2**20) -> None:
    record = Record(folder, most_bytes)
    _append(record, count)
    record.close()


def _lines(folder: Path) -> list[dict[str, Any]]:
    text = "".join(file.read_text() for file in chain.files(folder))
    return [json.loads(line) for line in text.splitlines()]


def test_each_line_has_the_digest_of_the_one_before(tmp_path: Path) -> None:
    _write(tmp_path / "new" / "record", 3)

    (file,) = chain.files(tmp_path / "new" / "record")
    lines = file.read_bytes().splitlines()
    read = [json.loads(line) for line in lines]
    assert [line["number"] for line in read] == [1, 2, 3]
    digests = [sha256(line).hexdigest() for line in lines]
    assert [line["previous"] for line in read] == ["0" * 64, *digests[:2]]
    assert read[0]["answer"] == ENTRY["answer"]
    assert read[0]["time"].endswith("Z")
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_goes_on_after_a_restart_and_from_file_to_file(tmp_path: Path) -> None:
    for _ in range(3):
        _write(tmp_path, 5, most_bytes=500)

    files = chain.files(tmp_path)
    assert len(files) > 5
    assert all(file.stat().st_size <= 500 for file in files)
    first = json.loads(files[-1].read_text().splitlines()[0])
    assert files[-1].name == chain.file_name(first["number"])
    found = verify(tmp_path)
    assert (found.lines, found.last, found.wrong) == (15, 15, [])


def test_it_goes_on_where_the_next_file_was_made_and_not_written(tmp_path: Path) -> None:
    _write(tmp_path, 2)
    (tmp_path / chain.file_name(3)).touch()

    _write(tmp_path, 2)

    found = verify(tmp_path)
    assert (found.last, found.wrong) == (4, [])


@pytest.mark.parametrize("length", [1, 60, 5000])
@pytest.mark.parametrize("lines", [0, 2])
def test_a_torn_line_is_set_right_and_recorded(tmp_path: Path, length: int, lines: int) -> None:
    record = Record(tmp_path)
    if lines:
        _append(record, lines)
    record.close()
    (file,) = chain.files(tmp_path)
    torn = (b'{"number":3,"time":"' + b"x" * length)[:length]
    with file.open("ab") as end:
        end.write(torn)
    assert len(verify(tmp_path).wrong) == 1

    _write(tmp_path, 1)

    found, read = verify(tmp_path), _lines(tmp_path)
    assert (found.last, found.wrong) == (lines + 2, [])
    assert read[lines]["torn"] == {"bytes": length, "text": torn.decode()[:4096]}
    assert read[lines + 1]["answer"] == ENTRY["answer"]


def test_a_killed_process_loses_nothing_that_it_said_was_written(tmp_path: Path) -> None:
    said = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            for _ in range(20):
                assert process.stdout.readline() == "written\n"
            process.kill()
            said += 8 * (20 + len(process.stdout.read().splitlines()))

    record = Record(tmp_path)
    record.close()
    found = verify(tmp_path)
    assert found.wrong == []
    assert found.last >= said
    assert len(chain.files(tmp_path)) > 3


def test_what_the_disk_does_not_take_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    record = Record(tmp_path)
    _append(record, 3)
    (file,) = chain.files(tmp_path)
    before = file.read_bytes()

    # Room for a part of the next line.
    with full_disk(len(before) + 50), pytest.raises(NotRecordedError):
        _append(record)
    assert file.read_bytes() == before

    _append(record, 2)
    record.close()
    found = verify(tmp_path)
    assert (found.last, found.wrong) == (5, [])


def test_a_disk_that_loses_what_it_took_is_not_written_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    async def write() -> None:
        record = Record(tmp_path)
        # There is no such disk here.
        monkeypatch.setattr(os, "fsync", fail)
        await record.append(ENTRY)
        while "No answers until the next start: fsync" not in caplog.text:
            await asyncio.sleep(0.05)
        monkeypatch.undo()
        with pytest.raises(NotRecordedError):
            await record.append(ENTRY)
        record.close()

    asyncio.run(write())
    assert verify(tmp_path).last == 1


def test_only_one_process_writes(tmp_path: Path) -> None:
    record = Record(tmp_path)
    with pytest.raises(ServeError, match="Another process writes"):
        Record(tmp_path)
    record.close()
    Record(tmp_path).close()


def test_what_is_no_record_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / chain.file_name(1)
    for content in (b'{"number":1}\n', b"\n", b"hello\n", bytes(2**21)):
        file.write_bytes(content)
        with pytest.raises(ServeError, match="none of a record"):
            Record(tmp_path)
        assert file.read_bytes() == content


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServeError, match="PNEUMOSCOPE_AUDIT cannot be written: "):
        Record(tmp_path / "file")
