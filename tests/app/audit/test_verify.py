"""What is done to a record, and what is found of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.audit import chain
from app.audit.record import Record
from app.audit.verify import verify
from app.cli import cli

Lines = list[bytes]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A record of nine lines in several files."""
    record = Record(tmp_path, 500)

    async def write() -> None:
        for number in range(1, 10):
            await record.append({"answer": {"probability": number / 10, "label": "NORMAL"}})

    asyncio.run(write())
    record.close()
    assert len(chain.files(tmp_path)) > 2
    return tmp_path


def _rewrite(folder: Path, change: Callable[[Lines], Lines]) -> None:
    """The record in one file, changed."""
    lines = [line for file in chain.files(folder) for line in file.read_bytes().splitlines(True)]
    for file in chain.files(folder):
        file.unlink()
    (folder / chain.file_name(1)).write_bytes(b"".join(change(lines)))


def _changed(lines: Lines) -> Lines:
    return [*lines[:4], lines[4].replace(b"0.5", b"0.4"), *lines[5:]]


def _renumbered(lines: Lines) -> Lines:
    """Without line 5, and with others' numbers as if there had been none."""
    rest = [
        line.replace(b'"number":%d,' % number, b'"number":%d,' % (number - 1))
        for number, line in enumerate(lines[5:], 6)
    ]
    return lines[:4] + rest


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (lambda lines: lines, []),
        (_changed, ["line 5 was changed"]),
        (lambda lines: lines[:4] + lines[5:], ["before line 6, line 5 is missing"]),
        (lambda lines: lines[:2] + lines[6:], ["before line 7, lines 3 to 6 are missing"]),
        (
            lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
            ["before line 6, line 5 is missing", "line 5 comes after line 6"],
        ),
        (lambda lines: [*lines[:5], *lines[4:]], ["line 5 comes after line 5"]),
        (_renumbered, ["line 4 was changed, or is another", "line 5 was changed"]),
        (lambda lines: [*lines[:4], b"hello\n", *lines[5:]], ["line 5 is torn or none", "line 5"]),
        (lambda lines: [*lines[:8], lines[8][:-9]], ["line 9 is torn or none of a record"]),
        (lambda lines: [lines[3].replace(b":4,", b":1,"), *lines[4:]], ["line 1 goes on", "2 to"]),
    ],
)
def test_what_is_wrong_is_named(
    written: Path, change: Callable[[Lines], Lines], sentences: list[str]
) -> None:
    _rewrite(written, change)

    wrong = verify(written).wrong

    for sentence, expected in zip(wrong, sentences, strict=False):
        assert expected in sentence
    assert len(wrong) >= len(sentences)
    assert bool(wrong) == bool(sentences)
    ended = CliRunner().invoke(cli, ["audit", "verify", str(written)])
    assert ended.exit_code == (1 if sentences else 0)
    assert all(sentence in ended.stdout for sentence in wrong)


def test_a_file_is_missing(written: Path) -> None:
    chain.files(written)[1].unlink()

    (sentence,) = verify(written).wrong
    assert "before line 5, lines 3 to 4 are missing" in sentence


def test_the_oldest_files_may_go_and_one_be_looked_at(written: Path) -> None:
    whole = verify(written)
    chain.files(written)[0].unlink()

    rest, last = verify(written), verify(chain.files(written)[-1])

    assert (rest.first, rest.wrong, rest.digest) == (3, [], whole.digest)
    assert (last.last, last.wrong, last.digest) == (9, [], whole.digest)
    ended = CliRunner().invoke(cli, ["audit", "verify", str(written)])
    assert "begins with line 3" in ended.stdout
    assert f"7 lines; the last is line 9, SHA-256 {whole.digest}" in ended.stdout


def test_what_the_end_was_must_be_known_from_elsewhere(written: Path) -> None:
    whole = verify(written)
    _rewrite(written, lambda lines: lines[:-1])

    cut = verify(written)
    assert cut.wrong == []
    assert (cut.last, cut.digest) != (whole.last, whole.digest)


def test_an_empty_folder_is_a_record_of_nothing(tmp_path: Path) -> None:
    found = verify(tmp_path)
    assert (found.lines, found.last, found.digest, found.wrong) == (0, 0, chain.ZEROS, [])
