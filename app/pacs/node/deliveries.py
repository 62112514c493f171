"""Results to the PACS and to a FHIR server: the part of the node that sends."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from app.errors import DeferredError, RefusedError, UnreachableError
from app.pacs.backoff import Backoff, pause
from app.pacs.destinations import Destination
from app.pacs.node.arrivals import Arrivals
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.readings import POLL_SECONDS, SHORT
from app.pacs.node.spool import Spool

log = logging.getLogger("pneumoscope")

_BETWEEN_FAILURES_SECONDS = 1.0
# After so many errors of a kind that nobody knows it is the results that are at fault.
_MOST_ERRORS = 5
# What the machine is short of is not their fault.
_OF_THE_MACHINE = (MemoryError, ImportError, OSError)
_DICOM = ".dcm"


class Deliveries:
    """Sends what waits, the oldest first, a file at a time.

    A file is removed as soon as the PACS has it. Killed between the two, the node sends it again,
    and the PACS gets an object that it holds: of the same UID and the same bytes.
    """

    def __init__(
        self, destinations: Mapping[str, Destination], spool: Spool, metrics: NodeMetrics
    ) -> None:
        """Prepare to send.

        Args:
            destinations: by what the names of the files end with that go there.
            spool: where results wait.
            metrics: where they are counted.
        """
        self._destinations, self._spool, self._metrics = destinations, spool, metrics
        # Of what a destination said of entries, and of destinations where they said nothing.
        self._entries, self._ways = Backoff(), Backoff()
        self._failures: Counter[str] = Counter()
        # Where the next file of an entry goes.
        self._way: dict[str, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Send until it is time to stop; a file that is being sent then is finished."""
        arrivals = Arrivals()
        self._spool.listen("results", arrivals.tell)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(arrivals.end_with(stop))
            tasks.create_task(self._work(stop, arrivals))

    async def _work(self, stop: asyncio.Event, arrivals: Arrivals) -> None:
        while not stop.is_set():
            arrivals.clear()
            name = await asyncio.to_thread(self._next)
            if name is None:
                await arrivals.wait(POLL_SECONDS)
            elif not await self._deliver(name):
                await pause(stop, _BETWEEN_FAILURES_SECONDS)

    def _next(self) -> str | None:
        """The entry to be sent now: the oldest of those that failed least often.

        While a destination does not answer, only what was never tried is, so that nothing that it
        cannot store holds up the rest.
        """
        due = [
            name
            for name in self._spool.waiting("results")
            if self._entries.is_due(name)
            and (not self._failures[name] or self._ways.is_due(self._way[name]))
        ]
        # Of equals the first one, and so the oldest.
        return min(due, key=self._failures.__getitem__, default=None)

    async def _deliver(self, name: str) -> bool:
        """Send an entry; False where that failed, and the entry waits."""
        started = time.perf_counter()
        try:
            outcome = await asyncio.to_thread(self._send, name)
        # Whatever it is, the results stay, and a person can read of it.
        except Exception as error:
            await asyncio.to_thread(self._failed, name, error)
            return False
        self._forget(name)
        log.info("%s %s %.0f ms", name[:SHORT], outcome, 1000 * (time.perf_counter() - started))
        return True

    def _send(self, name: str) -> str:
        was_held = False
        try:
            # The PACS first: a FHIR server that is away is not to hold it up.
            for path in sorted(self._spool.files(name), key=lambda path: path.suffix != _DICOM):
                self._way[name] = path.suffix
                was_held |= self._destination(path.suffix).store([path.read_bytes()])
                path.unlink()
                self._ways.succeeded(path.suffix)
                self._metrics.sent.inc()
        except RefusedError as error:
            self._ways.succeeded(self._way[name])
            self._metrics.failures.labels("refused").inc()
            self._spool.set_aside("results", name, str(error))
            return "refused"
        self._spool.finish(name)
        return "held by the PACS already" if was_held else "sent"

    def _destination(self, suffix: str) -> Destination:
        if suffix not in self._destinations:
            raise RefusedError("No destination is set for such a result.")
        return self._destinations[suffix]

    def _failed(self, name: str, error: Exception) -> None:
        """Note and tell a failure."""
        known = isinstance(error, UnreachableError)
        self._metrics.failures.labels("unreachable" if known else "error").inc()
        said = str(error) if known else f"Sending failed with {type(error).__name__}."
        log.warning("%s waits: %s", name[:SHORT], said)
        self._failures[name] += 1
        # Of an entry whose files could not even be listed.
        self._way.setdefault(name, _DICOM)
        if known and not isinstance(error, DeferredError):
            self._ways.failed(self._way[name])
        elif self._entries.failed(name) >= _MOST_ERRORS and not known:
            self._give_up(name, error, said)

    def _give_up(self, name: str, error: Exception, said: str) -> None:
        """Set an entry aside, unless it is the machine that is at fault."""
        if not isinstance(error, _OF_THE_MACHINE):
            with suppress(OSError):
                self._spool.set_aside("results", name, said)
                self._forget(name)
                log.error("%s aside: %s", name[:SHORT], said)

    def _forget(self, name: str) -> None:
        self._entries.succeeded(name)
        self._failures.pop(name, None)
        self._way.pop(name, None)
