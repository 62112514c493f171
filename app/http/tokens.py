"""A file of named bearer tokens, of which it holds the SHA-256 only.

A line is a name, the digest, and perhaps how many requests a minute the name may make:

    ward-7 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 120

A name may have several lines, as while a token is replaced. A token is 256 random bits, which
nobody finds by trying: a slow digest, as passwords need, would protect it no better than this one.
"""

import logging
import os
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from app.errors import ServeError

log = logging.getLogger("pneumoscope")

_TOKEN_BYTES = 32
_NAME = r"[A-Za-z0-9][\w.-]{0,63}"
_LINE = re.compile(rf"({_NAME})\s+([0-9a-f]{{64}})(?:\s+([1-9]\d{{0,5}}))?", re.ASCII)


@dataclass(frozen=True)
class Caller:
    """Who may ask.

    Attributes:
        name: as the file has it.
        per_minute: requests that it may make; no bound if None.
    """

    name: str
    per_minute: int | None = None


class Tokens:
    """The callers of a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ServeError: it cannot be read, or a line of it is wrong.
        """
        self._path = path
        self._state = _state(path)
        self._callers = _read(path)

    def caller_of(self, token: str) -> Caller | None:
        """Whose token it is; None where it is nobody's.

        How long it takes tells nothing about the file but its length.
        """
        self._look_again()
        digest, found = sha256(token.encode()).hexdigest(), None
        for known, caller in self._callers:
            if secrets.compare_digest(known, digest):
                found = caller
        return found

    def _look_again(self) -> None:
        """Read the file if it changed; one that is wrong leaves everything as it was."""
        state = _state(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._callers = _read(self._path)
        except ServeError as error:
            log.error("%s The tokens that were read before stay valid.", error)
        else:
            log.info("PNEUMOSCOPE_TOKENS was read again: %d tokens.", len(self._callers))


def new(name: str) -> tuple[str, str]:
    """A new token, and the line for the file.

    Raises:
        ValueError: the name is none.
    """
    if not re.fullmatch(_NAME, name, re.ASCII):
        raise ValueError("A name is of up to 64 letters, digits, dots, dashes and underscores.")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    return token, f"{name} {sha256(token.encode()).hexdigest()}"


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes with the file, also where another one takes its place."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> list[tuple[str, Caller]]:
    """The digests, and whose they are.

    Raises:
        ServeError: in a sentence that quotes nothing of the file.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError as error:
        raise ServeError(f"PNEUMOSCOPE_TOKENS cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ServeError("PNEUMOSCOPE_TOKENS is not a text of ASCII characters.") from None
    callers = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise ServeError(
                f"PNEUMOSCOPE_TOKENS, line {number}: it is not a name, a SHA-256 in lower case and "
                "perhaps a number of requests a minute."
            )
        name, digest, per_minute = match.groups()
        callers.append((digest, Caller(name, int(per_minute) if per_minute else None)))
    return callers
