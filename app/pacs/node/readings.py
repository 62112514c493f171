"""Received images to results: the part of the node that reads."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Literal, NamedTuple

from app.errors import (
    ImageError,
    NotReadError,
    NotReadyError,
    NotRecordedError,
    NotSelectedError,
)
from app.host import cores
from app.imaging.errors import SHORTAGES
from app.pacs.backoff import Backoff, pause
from app.pacs.node.answered import Answered
from app.pacs.node.arrivals import Arrivals
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.spool import Spool
from app.pacs.results import Results, Selection, results_of
from app.pacs.rules import FHIR, HL7, WEBHOOK
from app.reading.reader import Reader

log = logging.getLogger("pneumoscope")

# For what is moved by hand, or is to be tried again.
POLL_SECONDS = 1.0
SHORT = 12
# That may end the process; the one of an ordinary kill among them.
MOST_ATTEMPTS = 3
_ENDED_THE_PROCESS = f"The process ended {MOST_ATTEMPTS} times while it read the image."
_THE_ENGINE = "the engine"
# However often it comes.
_NOT_ITS_FAULT = (*SHORTAGES, NotRecordedError)
# One that takes long must not hold up the next one, however few cores there are.
_FEWEST_WORKERS = 2

Corrected = Literal["replace", "add", "aside"]
_CORRECTED: dict[Corrected, str] = {
    "replace": "Another image of this UID was read before: the PACS replaces its results, or keeps"
    " them.",
    "add": "Another image of this UID was read before: the results go beside its results.",
    "aside": "Another image of this UID was read before.",
}


def suffix_of(kind: str) -> str:
    """What the names of result files end with, by which deliveries know where they go."""
    return {FHIR: ".json", HL7: ".hl7", WEBHOOK: ".webhook"}.get(kind, ".dcm")


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
        selection: Selection,
    ) -> None:
        """Prepare to read.

        Args:
            reader: the model.
            spool: where images wait, and results are put.
            metrics: where images are counted.
            answered: which images were read before.
            corrected: what becomes of one whose UID another one had.
            selection: which images are read, and which results they get.
        """
        self._reader, self._spool, self._metrics = reader, spool, metrics
        self._answered, self._corrected, self._selection = answered, corrected, selection
        self._taken: set[str] = set()
        self._backoff = Backoff()

    async def run(self, stop: asyncio.Event) -> None:
        """Read until it is time to stop; what is being read then is finished.

        Images wait while there is no model that has passed its warm-up.
        """
        arrivals = Arrivals()
        self._spool.listen("received", arrivals.tell)
        await self._wait_for_the_model(stop)
        await self._read_suspects(stop)
        async with asyncio.TaskGroup() as workers:
            workers.create_task(arrivals.end_with(stop))
            for _ in range(max(_FEWEST_WORKERS, cores.available())):
                workers.create_task(self._work(stop, arrivals))

    async def _wait_for_the_model(self, stop: asyncio.Event) -> None:
        with suppress(NotReadyError):
            await self._reader.ready()
        # Another one may take over.
        while not self._reader.is_ready and not stop.is_set():
            await pause(stop, POLL_SECONDS)

    async def _read_suspects(self, stop: asyncio.Event) -> None:
        """Read what was being read when the process ended, each alone.

        So that it is known which of them is to blame, if one is; and after the engine has shown
        that it is not.
        """
        suspects = await asyncio.to_thread(self._spool.suspects)
        if suspects:
            log.warning("%d images were being read when the process ended", len(suspects))
            await self._engine_works()
        for name in suspects:
            if not stop.is_set():
                await self._take(name)

    async def _work(self, stop: asyncio.Event, arrivals: Arrivals) -> None:
        while not stop.is_set():
            arrivals.clear()
            waiting = await asyncio.to_thread(self._spool.waiting, "received")
            name = next((name for name in waiting if self._is_free(name)), None)
            if name is None:
                await arrivals.wait(POLL_SECONDS)
                continue
            self._taken.add(name)
            try:
                await self._take(name)
            finally:
                self._taken.remove(name)

    def _is_free(self, name: str) -> bool:
        # Another worker may have seen to it since it was seen.
        return (
            name not in self._taken
            and self._backoff.is_due(name)
            and self._backoff.is_due(_THE_ENGINE)
            and self._spool.holds(name)
        )

    async def _take(self, name: str) -> None:
        """Read an image once, and see to what becomes of it; where that fails, it waits."""
        started = time.perf_counter()
        try:
            outcome = await self._settle(name)
        except OSError as error:
            log.error("The spool cannot be used: %s", error.strerror)
            self._backoff.failed(name)
            return
        if outcome:
            self._backoff.succeeded(name)
            self._metrics.images.labels(outcome).inc()
            milliseconds = 1000 * (time.perf_counter() - started)
            log.info("%s %s %.0f ms", name[:SHORT], outcome, milliseconds)

    async def _settle(self, name: str) -> str:
        """The outcome of an image, or nothing where it is to be read again later.

        Raises:
            OSError: the spool cannot be used.
        """
        attempt = await asyncio.to_thread(self._spool.begin, name)
        try:
            if attempt > MOST_ATTEMPTS:
                verdict: _Verdict | None = self._aside(name, _ENDED_THE_PROCESS)
            else:
                verdict = await self._read(name)
            if verdict:
                await asyncio.to_thread(verdict.work)
        finally:
            await asyncio.to_thread(self._spool.end, name)
        return verdict.outcome if verdict else ""

    async def _read(self, name: str) -> _Verdict | None:
        """What becomes of an image, or None where it is to be read again later."""
        try:
            data = await asyncio.to_thread(self._spool.read, name)
            results = await results_of(self._reader, data, self._selection, name[:SHORT])
            return await asyncio.to_thread(self._judge, name, results)
        except NotSelectedError as why:
            self._metrics.not_selected.labels(why.rule).inc()
            log.info("%s %s", name[:SHORT], why)
            return _Verdict(why.code, partial(self._spool.drop, name))
        except NotReadError as why:
            return _Verdict(why.code, partial(self._spool.drop, name))
        # These messages quote nothing of the image.
        except ImageError as error:
            return self._aside(name, str(error))
        except Exception as error:
            log.error("%s failed with %s", name[:SHORT], type(error).__name__)
            again = self._backoff.failed(name) > 1
            if isinstance(error, _NOT_ITS_FAULT) or not await self._engine_works() or not again:
                return None
            reason = f"Reading the image failed twice, with {type(error).__name__}."
            return self._aside(name, reason)

    def _aside(self, name: str, reason: str) -> _Verdict:
        return _Verdict("aside", partial(self._spool.set_aside, "received", name, reason))

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
        files = {f"{kind}{suffix_of(kind)}": file for kind, file in results.files.items()}
        self._spool.answer(name, files)
        self._answered.note(results.image, name)

    async def _engine_works(self) -> bool:
        """Whether blank images can be read; where not, all wait."""
        try:
            await self._reader.try_engine()
        except Exception as error:
            log.error("The engine failed with %s", type(error).__name__)
            self._backoff.failed(_THE_ENGINE)
            return False
        self._backoff.succeeded(_THE_ENGINE)
        return True
