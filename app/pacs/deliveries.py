"""Results to the PACS: the part of the node that sends."""

import asyncio
import logging
import time
from collections import Counter

from app.pacs.backoff import delays, pause
from app.pacs.destinations import Destination, RefusedError, UnreachableError
from app.pacs.metrics import NodeMetrics
from app.pacs.readings import POLL_SECONDS, SHORT
from app.pacs.spool import Spool

log = logging.getLogger("pneumoscope")


class Deliveries:
    """Sends what waits, the oldest first, a file at a time.

    A file is removed as soon as the PACS has it. Killed between the two, the node sends it again,
    and the PACS gets an object that it holds: of the same UID and the same bytes.
    """

    def __init__(self, destination: Destination, spool: Spool, metrics: NodeMetrics) -> None:
        self._destination, self._spool, self._metrics = destination, spool, metrics
        self._failures: Counter[str] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until it is time to stop; a file that is being sent then is finished.

        After a failure the whole queue waits, since it is the PACS that fails. What failed less
        often goes first then, so that nothing that the PACS cannot store holds up the rest.
        """
        waits = delays()
        while not stop.is_set():
            # Sorting is stable: among equals, the oldest.
            waiting = sorted(self._spool.waiting("results"), key=self._failures.__getitem__)
            if not waiting:
                await pause(stop, POLL_SECONDS)
            elif await self._deliver(waiting[0]):
                waits = delays()
            else:
                await pause(stop, next(waits))

    async def _deliver(self, name: str) -> bool:
        """Send an entry; False where the PACS is to be left alone for a while."""
        started = time.perf_counter()
        try:
            outcome = await self._send(name)
        # Whatever it is, the results stay, and a person can read of it.
        except Exception as error:
            known = isinstance(error, UnreachableError)
            self._metrics.failures.labels("unreachable" if known else "error").inc()
            said = str(error) if known else f"Sending failed with {type(error).__name__}."
            log.warning("%s waits: %s", name[:SHORT], said)
            self._failures[name] += 1
            return False
        self._failures.pop(name, None)
        log.info("%s %s %.0f ms", name[:SHORT], outcome, 1000 * (time.perf_counter() - started))
        return True

    async def _send(self, name: str) -> str:
        try:
            for path in self._spool.files(name):
                await asyncio.to_thread(self._destination.store, [path.read_bytes()])
                path.unlink()
                self._metrics.sent.inc()
        except RefusedError as error:
            self._metrics.failures.labels("refused").inc()
            self._spool.set_aside("results", name, str(error))
            return "refused"
        self._spool.finish(name)
        return "sent"
