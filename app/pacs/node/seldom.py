"""Lines in the log that a stranger can cause, but not flood it with."""

import logging
import threading
import time

log = logging.getLogger("pneumoscope")

_SECONDS_BETWEEN_LINES = 10.0


class Seldom:
    """Warns at most every ten seconds, and says how often there was reason to since the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = -_SECONDS_BETWEEN_LINES
        self._untold = 0

    def warn(self, what: str) -> None:
        """Tell it now, or count it."""
        with self._lock:
            self._untold += 1
            now = time.monotonic()
            if now - self._told < _SECONDS_BETWEEN_LINES:
                return
            count, self._untold, self._told = self._untold, 0, now
        log.warning("%s%s", what, f" ({count} times since the last line)" if count > 1 else "")
