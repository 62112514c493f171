"""Batches made of whatever is waiting, without ever waiting for more."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.errors import StoppingError
from app.inference.contract import Answers, Engine


class Timed(NamedTuple):
    """An image's answers (N = 1), and the seconds that it queued and was inferred."""

    answers: Answers
    queued: float
    inferred: float


@dataclass
class _Job:
    image: npt.NDArray[np.uint8]
    future: asyncio.Future[Timed]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Feeds each of the engine's streams with all that is queued, up to its largest batch.

    The queue is as long as there are requests in flight, which the service limits.
    """

    def __init__(self, engine: Engine, observe: Callable[[int], object]) -> None:
        """Prepare to infer.

        Args:
            engine: the model.
            observe: is told the size of each batch.
        """
        self._engine = engine
        self._observe = observe
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(engine.streams, thread_name_prefix="infer")
        self._streams: list[asyncio.Task[None]] = []
        self._unanswered: set[asyncio.Future[Timed]] = set()
        self._stopped = False

    @property
    def waiting(self) -> int:
        """How many images wait."""
        return self._queue.qsize()

    def start(self) -> None:
        self._streams = [asyncio.create_task(self._stream()) for _ in range(self._engine.streams)]

    async def stop(self) -> None:
        """Wait for what is being inferred; whoever still waits for an answer is told so."""
        self._stopped = True
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        # They refer to this, and would keep the model until Python looks for cycles.
        self._streams.clear()
        # What a client gave up may still be inferred.
        await asyncio.to_thread(self._pool.shutdown)
        for future in list(self._unanswered):
            if not future.done():
                future.set_exception(StoppingError())

    async def infer(self, image: npt.NDArray[np.uint8]) -> Timed:
        """Answer for one uint8 `[224, 224, 1]`.

        Raises:
            StoppingError: the service stops before there is an answer.
        """
        if self._stopped:
            raise StoppingError()
        job = _Job(image, asyncio.get_running_loop().create_future())
        self._unanswered.add(job.future)
        job.future.add_done_callback(self._unanswered.discard)
        self._queue.put_nowait(job)
        return await job.future

    async def _stream(self) -> None:
        while True:
            jobs = [await self._queue.get()]
            while len(jobs) < self._engine.max_batch and not self._queue.empty():
                jobs.append(self._queue.get_nowait())
            # A request that was cancelled while it queued costs no inference.
            if jobs := [job for job in jobs if not job.future.cancelled()]:
                await self._run(jobs)

    async def _run(self, jobs: list[_Job]) -> None:
        self._observe(len(jobs))
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            batch = np.stack([job.image for job in jobs])
            answers = await loop.run_in_executor(self._pool, self._engine.infer, batch)
        except Exception as error:
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(error)
            return
        inferred = time.perf_counter() - started
        for index, job in enumerate(jobs):
            if not job.future.done():
                one = Answers(*(getattr(answers, name)[index : index + 1] for name in _FIELDS))
                job.future.set_result(Timed(one, started - job.since, inferred))


_FIELDS = tuple(Answers.__dataclass_fields__)
