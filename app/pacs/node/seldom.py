"""Lines in the log that a stranger can cause, but not flood it with."""

import logging
import threading
import time
from collections import Counter

log = logging.getLogger("pneumoscope")

_SECONDS_BETWEEN_LINES = 10.0


class Seldom:
    """Warns of each thing at most every ten seconds, and says how often it was since the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def warn(self, what: str) -> None:
        """Tell it now, or count it.

        Args:
            what: one of a few sentences.
        """
        now = time.monotonic()
        with self._lock:
            self._untold[what] += 1
            if now - self._told.get(what, -_SECONDS_BETWEEN_LINES) < _SECONDS_BETWEEN_LINES:
                return
            self._told[what], count = now, self._untold.pop(what)
        log.warning("%s%s", what, f" ({count} times since the last line)" if count > 1 else "")
