"""How far it is, how fast, and how long it still takes, on standard error."""

import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TextIO

# A terminal shows one line that changes, a log gets a new one now and then.
_TERMINAL_SECONDS, _LOG_SECONDS = 0.5, 10.0
# The rate is that of the last lines, since early images say little of late ones.
_REMEMBERED = 60


class Progress:
    """Counts files, and tells of them from time to time."""

    def __init__(
        self, stream: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to count.

        Args:
            stream: where it is told.
            clock: in seconds.
        """
        self.total: int | None = None
        self.outcomes: Counter[str] = Counter()
        self._known = 0
        self._stream, self._clock = stream, clock
        self._is_terminal = stream.isatty()
        self._times: deque[tuple[float, int]] = deque([(clock(), 0)], maxlen=_REMEMBERED)

    def count(self, outcome: str, *, known: bool) -> None:
        """Count a file.

        Args:
            outcome: its label, or the code of its problem.
            known: it was not read in this run.
        """
        self.outcomes[outcome] += 1
        self._known += known
        wait = _TERMINAL_SECONDS if self._is_terminal else _LOG_SECONDS
        if self._clock() - self._times[-1][0] >= wait:
            self._times.append((self._clock(), self._read))
            self._tell()

    def end(self) -> None:
        """Tell a last time, and what came out."""
        self._times.append((self._clock(), self._read))
        self._tell()
        if self._is_terminal:
            self._stream.write("\n")
        outcomes = [f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items())]
        self._stream.write(f"{', '.join(outcomes) or 'no files'}\n")

    def __str__(self) -> str:
        """Such as `1200 of 5000 files, 41.2 a second, 1 min 32 s left`."""
        done, rate = self.outcomes.total(), self._rate()
        said = [f"{done} of {self.total} files" if self.total is not None else f"{done} files"]
        if self._known:
            said.append(f"{self._known} of them known before")
        said.append(f"{rate:.1f} a second")
        if self.total is not None and self.total > done and rate > 0:
            said.append(f"{_duration((self.total - done) / rate)} left")
        return ", ".join(said)

    @property
    def _read(self) -> int:
        return self.outcomes.total() - self._known

    def _rate(self) -> float:
        """Files that were read in a second, over the last lines."""
        (began, before), (now, done) = self._times[0], self._times[-1]
        return (done - before) / (now - began) if now > began else 0.0

    def _tell(self) -> None:
        self._stream.write(f"\r\033[K{self}" if self._is_terminal else f"{self}\n")
        self._stream.flush()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
