"""Reading a radiograph: decode, queue, infer, judge, render."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TypeVar
from weakref import ref

import numpy as np
import numpy.typing as npt

from app.errors import NoLungsError, NotReadyError
from app.host import cores
from app.imaging import overlay
from app.imaging.decode import Radiograph, decode, to_model_input
from app.imaging.depth import Depth
from app.imaging.picture import picture
from app.imaging.room import PixelRoom
from app.reading import admission, drift, stages
from app.reading.admission import Place, Room, Turns
from app.reading.limits import Limits
from app.reading.metrics import Metrics
from app.reading.model import Model
from app.reading.reading import Reading, judge
from app.reading.served import Served
from app.reading.shadow import Shadow

log = logging.getLogger("pneumoscope")

# A picture of more pixels than this many squares of its longest side is reduced before it waits.
_KEPT = 2
T = TypeVar("T")

# What the request of this task began with, which it also ends with. Contexts are copied to wherever
# a callback waits, and must not keep the model.
_begun_with: ContextVar[ref[Served] | None] = ContextVar("begun_with", default=None)


class Reader:
    """The model that answers, and the threads that decode and render.

    Attributes:
        limits: what it takes on.
        in_flight: images that keep it busy when they are read at once.
        shadow: another model, which is tried on the same images.
    """

    def __init__(self, served: Served, metrics: Metrics, limits: Limits | None = None) -> None:
        """Prepare to read.

        Args:
            served: the model.
            metrics: where readings are counted.
            limits: what may be held at once.
        """
        self.limits = limits = limits or Limits()
        self.shadow: Shadow | None = None
        self._metrics = metrics
        self._ready = False
        self._room = Room(limits.max_in_flight, limits.max_bytes_in_flight)
        self._take(served)
        metrics.queue_depth.set_function(lambda: self._served.waiting)
        metrics.in_flight.set_function(lambda: self._room.taken)
        metrics.in_flight_limit.set(limits.max_in_flight)
        metrics.ready.set_function(lambda: self._ready)
        # As many decoded images as keep the engine busy: others wait as the bytes of their files,
        # which are smaller.
        decoded = 2 * served.engine.streams * served.engine.max_batch
        self._decoded = Turns(decoded)
        threads = cores.available()
        # With one more for each thread, whose file is fetched.
        self.in_flight = decoded + threads
        self._turns = Turns(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imaging")
        self._pixels = PixelRoom(limits.max_pixels_at_once)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs; ready once the warm-up has passed."""
        self._served.start()
        self._warming_up = asyncio.create_task(self._warm_up())
        try:
            yield
        finally:
            self._warming_up.cancel()
            await asyncio.gather(self._warming_up, return_exceptions=True)
            await self._served.stop()
            self._pool.shutdown()

    async def change_to(self, served: Served) -> None:
        """Have another model answer whatever begins from now on.

        It returns once the model before has answered what it had begun, and was stopped.

        Args:
            served: the model, which has passed its trial.
        """
        served.start()
        before = self._served
        self._take(served)
        self._ready = True
        try:
            await before.unused()
        finally:
            await before.stop()

    def _take(self, served: Served) -> None:
        self._served = served
        model = served.model
        self._metrics.model.info(
            {
                "name": model.name,
                "version": str(model.version),
                "engine": model.engine,
                "device": model.device,
                "digest": model.digest,
            }
        )
        self._metrics.model_load_seconds.set(served.seconds)
        self._metrics.drift.compare_with(model.reference)

    @property
    def model(self) -> Model:
        """Which one answers the request of this task, or whatever begins now."""
        return self._answering().model

    async def unused(self) -> None:
        """Wait until no image is read and no request is at work."""
        await self._served.unused()

    def _answering(self) -> Served:
        begun_with = _begun_with.get()
        return (begun_with and begun_with()) or self._served

    @contextmanager
    def one_model(self) -> Iterator[Served]:
        """One model for the block, and for all of the request that it is a part of."""
        served = self._answering()
        with served.used():
            begun = _begun_with.set(ref(served))
            try:
                yield served
            finally:
                _begun_with.reset(begun)

    @property
    def is_ready(self) -> bool:
        """Whether the warm-up has passed."""
        return self._ready

    async def ready(self) -> None:
        """Wait for the warm-up.

        Raises:
            NotReadyError: the model failed it.
        """
        await self._warming_up
        self.check_ready()

    def check_ready(self) -> None:
        """Pass once the warm-up has passed.

        Raises:
            NotReadyError: it has not.
        """
        if not self._ready:
            raise NotReadyError

    @property
    def is_full(self) -> bool:
        """Whether every place for a request in flight is taken."""
        return self._room.is_full

    def refuses(self, address: str) -> bool:
        """Whether a request from there is sure to find no place."""
        return self._room.has_none_for(address)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[Place]:
        """Hold one of the places for requests in flight.

        Raises:
            NotReadyError: the warm-up has not passed.
            BusyError: every place is taken, or it is needed more by a client that has fewer.
        """
        self.check_ready()
        async with self._room.place() as place:
            with self.one_model():
                yield place

    async def read(self, data: bytes) -> Reading:
        """Read an image file's bytes.

        Raises:
            ImageError: the file is no image, or none that can be read.
            NoLungsError: there are no lungs on it, and the limits say to refuse such images.
        """
        seconds: dict[str, float] = {}

        def prepare() -> tuple[Radiograph, np.ndarray]:
            side = self.limits.picture_side
            with self._pixels.holding() as take:
                radiograph = decode(data, self.limits.max_pixels, side, take)
                image = to_model_input(radiograph.pixels)
                if radiograph.pixels.size > _KEPT * side**2:
                    pixels = overlay.shrink(radiograph.pixels, side)
                    radiograph = replace(radiograph, pixels=pixels)
            return radiograph, image

        came = time.perf_counter()
        with self.one_model() as served:
            async with self._decoded.taken():
                radiograph, image = await self.timed("decode", seconds, prepare)
                waited = time.perf_counter() - came - seconds["decode"]
                answers, queued, inferred = await served.infer(image)
        began = time.perf_counter() - inferred
        stages.passed("queue", came, waited)
        stages.passed("queue", began - queued, queued)
        stages.passed("infer", began, inferred)
        seconds |= {"queue": waited + queued, "infer": inferred}
        for stage in ("queue", "infer"):
            self._metrics.stage_seconds.labels(stage).observe(seconds[stage])
        reading = judge(radiograph, answers, served.model, seconds)
        if self.shadow:
            self.shadow.offer(image, reading)
        if not reading.lungs.found and self.limits.refuse_unsuitable:
            raise NoLungsError
        self._count(reading)
        return reading

    async def render(
        self,
        reading: Reading,
        target: overlay.Target,
        encode: Callable[[npt.NDArray[np.uint8]], bytes],
    ) -> tuple[bytes, int, int]:
        """The overlay, encoded: its bytes, width and height.

        Args:
            reading: what it explains.
            target: what its coloured regions argue for.
            encode: a function of the overlay, uint8 `[height, width, 3]` in BGR order.
        """

        def draw() -> tuple[bytes, int, int]:
            picture = overlay.overlay(
                reading.radiograph.pixels,
                reading.answers.cam[0],
                target,
                self.limits.picture_side,
                reading.outline,
            )
            height, width, _ = picture.shape
            return encode(picture), width, height

        return await self.timed("render", reading.seconds, draw)

    async def picture(
        self, data: bytes, max_side: int, encode: Callable[[Depth], T], seconds: dict[str, float]
    ) -> T:
        """An image file's bytes as a picture with all of its gray values.

        Args:
            data: of the file.
            max_side: its longest side is reduced to it, in pixels.
            encode: what is made of it, in the thread that decodes.
            seconds: where the time that it took is noted.

        Raises:
            ImageError: the file is no image, or none that can be read.
        """

        def prepare() -> T:
            with self._pixels.holding() as take:
                return encode(picture(data, max_side, self.limits.max_pixels, take))

        return await self.timed("decode", seconds, prepare)

    async def timed(self, stage: str, seconds: dict[str, float], work: Callable[[], T]) -> T:
        """Work in a thread, when it is the client's turn.

        The seconds that it took are noted under the stage's name.
        """
        loop = asyncio.get_running_loop()
        await self._turns.take()
        started = time.perf_counter()
        working = self._pool.submit(work)
        # When the thread is free, which a client that hung up does not make it.
        working.add_done_callback(lambda _: loop.call_soon_threadsafe(self._turns.give_back))
        admission.begins()
        result = await asyncio.wrap_future(working)
        seconds[stage] = time.perf_counter() - started
        stages.passed(stage, started, seconds[stage])
        self._metrics.stage_seconds.labels(stage).observe(seconds[stage])
        return result

    def _count(self, reading: Reading) -> None:
        metrics, radiograph = self._metrics, reading.radiograph
        metrics.predictions.labels(reading.label).inc()
        metrics.probability.observe(reading.probability)
        metrics.prediction_set_size.observe(len(reading.prediction_set))
        metrics.novelty.observe(reading.novelty)
        metrics.lung_share.observe(reading.lungs.share)
        metrics.brightness.observe(reading.brightness)
        metrics.formats.labels(radiograph.format).inc()
        if radiograph.view:
            metrics.views.labels(radiograph.view).inc()
        if radiograph.age_group:
            metrics.age_groups.labels(radiograph.age_group).inc()
        for code in reading.warnings:
            metrics.warnings.labels(code).inc()
        # Images without lungs are refused by default, and in no reference; a warning counts them.
        if reading.lungs.found:
            metrics.drift.add(drift.quantities(reading))

    async def try_engine(self) -> None:
        """Try the model that answers on the built-in images, and raise what `trial.run` raises."""
        await self._served.try_out()

    async def _warm_up(self) -> None:
        """Infer before the first client does."""
        try:
            await self.try_engine()
        except Exception:
            log.exception("The model failed its warm-up; the service stays not ready.")
            return
        self._ready = True
