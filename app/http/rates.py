"""How often each caller may ask: a bucket that holds a minute's requests, and fills steadily."""

import time
from collections.abc import Callable

from app.http.tokens import Caller

_MINUTE = 60.0


class Rates:
    """The buckets of all callers that have a bound, each full at first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # How many requests are missing from each, and since when. There are as many as the file of
        # tokens has callers.
        self._missing: dict[Caller, tuple[float, float]] = {}

    def wait(self, caller: Caller) -> float:
        """The seconds until the caller may ask again; 0 where it may now, which counts as asked."""
        most = caller.per_minute
        if most is None:
            return 0
        now = self._clock()
        missing, since = self._missing.get(caller, (0.0, now))
        missing = max(0.0, missing - (now - since) * most / _MINUTE) + 1
        if missing > most:
            return (missing - most) * _MINUTE / most
        self._missing[caller] = missing, now
        return 0
