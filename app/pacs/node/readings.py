"""Received images to results: the part of the node that reads."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from app.errors import ImageError, NotReadError
from app.host import cores
from app.imaging.errors import SHORTAGES
from app.pacs.backoff import delays, pause
from app.pacs.node.answered import Answered
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.spool import Spool
from app.pacs.results import Results, results_of
from app.reading.reader import Reader

log = logging.getLogger("pneumoscope")

POLL_SECONDS = 0.2
SHORT = 12

Corrected = Literal["replace", "add", "aside"]
_CORRECTED: dict[Corrected, str] = {
    "replace": "Another image of this UID was read before: the PACS replaces its results, or keeps"
    " them.",
    "add": "Another image of this UID was read before: the results go beside its results.",
    "aside": "Another image of this UID was read before.",
}


class _Verdict(NamedTuple):
    """What became of an image, and the work that has the spool say so."""

    outcome: str
    work: Callable[[], None]


class Readings:
    """Reads what waits, the oldest first, on every core.

    An image that is read twice, as it is where it arrives again after its results were sent, gives
    results of the same UIDs and the same bytes.
    """

    def __init__(
        self,
        reader: Reader,
        spool: Spool,
        metrics: NodeMetrics,
        answered: Answered,
        corrected: Corrected,
    ) -> None:
        """Prepare to read.

        Args:
            reader: the model.
            spool: where images wait, and results are put.
            metrics: where images are counted.
            answered: which images were read before.
            corrected: what becomes of one whose UID another one had.
        """
        self._reader, self._spool, self._metrics = reader, spool, metrics
        self._answered, self._corrected = answered, corrected
        self._taken: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Read until it is time to stop; what is being read then is finished."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(cores.available()):
                workers.create_task(self._work(stop))

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            waiting = self._spool.waiting("received")
            name = next((name for name in waiting if name not in self._taken), None)
            if name is None:
                await pause(stop, POLL_SECONDS)
                continue
            self._taken.add(name)
            try:
                await self._take(name, stop)
            finally:
                self._taken.remove(name)

    async def _take(self, name: str, stop: asyncio.Event) -> None:
        started = time.perf_counter()
        verdict = await self._read(name, stop)
        if verdict and await _done(verdict.work, stop):
            self._metrics.images.labels(verdict.outcome).inc()
            milliseconds = 1000 * (time.perf_counter() - started)
            log.info("%s %s %.0f ms", name[:SHORT], verdict.outcome, milliseconds)

    async def _read(self, name: str, stop: asyncio.Event) -> _Verdict | None:
        """Read an image until it is clear what becomes of it, or it is time to stop.

        What fails in an unknown way is tried again. It is the image's fault where it fails again,
        and a blank image does not.
        """
        again = False
        for delay in delays():
            try:
                data = await asyncio.to_thread(self._spool.read, name)
                results = await results_of(self._reader, data)
            except NotReadError as why:
                return _Verdict(why.code, partial(self._spool.drop, name))
            except Exception as error:
                reason = _fault(error)
                # However often a shortage comes, it is not the image's fault.
                unknown = not reason and not isinstance(error, SHORTAGES)
                if unknown and again and await self._engine_works():
                    reason = f"Reading the image failed twice, with {type(error).__name__}."
                if reason:
                    return _Verdict(
                        "aside", partial(self._spool.set_aside, "received", name, reason)
                    )
                log.error("%s failed with %s", name[:SHORT], type(error).__name__)
            else:
                return await asyncio.to_thread(self._judge, name, results)
            again = True
            await pause(stop, delay)
            if stop.is_set():
                break
        return None

    def _judge(self, name: str, results: Results) -> _Verdict:
        """Have results sent, unless the image corrects another one, and such are not wanted."""
        outcome = "read"
        if self._answered.corrects(results.image, name):
            outcome = f"corrected_{self._corrected}"
            log.warning("%s %s", name[:SHORT], _CORRECTED[self._corrected])
            if self._corrected == "aside":
                work = partial(self._spool.set_aside, "received", name, _CORRECTED["aside"])
                return _Verdict(outcome, work)
            if self._corrected == "add":
                results = results.apart(name)
        return _Verdict(outcome, partial(self._answer, name, results))

    def _answer(self, name: str, results: Results) -> None:
        # In the order of their names: the report is the sign that both are there.
        files = {"overlay.dcm": results.overlay, "report.dcm": results.report}
        self._spool.answer(name, files)
        self._answered.note(results.image, name)

    async def _engine_works(self) -> bool:
        try:
            await self._reader.try_engine()
        except Exception as error:
            log.error("The engine failed with %s", type(error).__name__)
            return False
        return True


def _fault(error: Exception) -> str:
    """What is wrong with the image, where that is known; these messages quote nothing of it."""
    return str(error) if isinstance(error, ImageError) else ""


async def _done(work: Callable[[], None], stop: asyncio.Event) -> bool:
    """Work on the spool, again and again while the disk refuses; False where it did to the end."""
    for delay in delays():
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            log.error("The spool cannot be written: %s", error.strerror)
            await pause(stop, delay)
            if stop.is_set():
                break
        else:
            return True
    return False
