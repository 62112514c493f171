"""Whether a record is as it was written: each line whole, in its place, and after its own one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.audit import chain


@dataclass
class Findings:
    """What was found.

    Attributes:
        first: the number of the first line; over 1 where older files were removed.
        last: the highest number, 0 where there is no line.
        digest: of that line; zeros where there is none.
        lines: how many there are.
        wrong: what is not as it was written, each in a sentence that names the line.
    """

    first: int = 0
    last: int = 0
    digest: str = chain.ZEROS
    lines: int = 0
    wrong: list[str] = field(default_factory=list)


def verify(path: Path) -> Findings:
    """Go through a record.

    The chain cannot tell that lines are missing at its end, nor that its last line was changed, nor
    that whoever could write it wrote all of it anew: for that, `last` and `digest` must be known
    from elsewhere.

    Args:
        path: the record's folder, or one of its files.

    Raises:
        OSError: it cannot be read.
    """
    found = Findings()
    for place, line in _lines(path):
        found.lines += 1
        chained = chain.number_and_previous(line) if line.endswith(b"\n") else None
        if chained is None:
            found.wrong.append(f"{place}: line {found.last + 1} is torn or none of a record.")
            _go_on(found, found.last + 1, line)
            continue
        number, previous = chained
        if number <= found.last:
            found.wrong.append(f"{place}: line {number} comes after line {found.last}.")
            continue
        if found.lines == 1:
            found.first = number
            if number == 1 and previous != chain.ZEROS:
                found.wrong.append(f"{place}: line 1 goes on from another one.")
        elif number > found.last + 1:
            missing = _numbers(found.last + 1, number - 1)
            found.wrong.append(f"{place}: before line {number}, {missing} missing.")
        elif previous != found.digest:
            found.wrong.append(
                f"{place}: line {found.last} was changed, or is another than the one that line "
                f"{number} was written after."
            )
        _go_on(found, number, line)
    return found


def _go_on(found: Findings, number: int, line: bytes) -> None:
    found.first = found.first or number
    found.last, found.digest = number, chain.digest(line)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each line, and the file and the line in it where it stands."""
    for file in chain.files(path) if path.is_dir() else [path]:
        with file.open("rb") as lines:
            for place, line in enumerate(lines, 1):
                yield f"{file.name}:{place}", line


def _numbers(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"
