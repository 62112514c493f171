"""Reading a radiograph: decode, queue, infer, judge, render."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from app.errors import NoLungsError, NotReadyError
from app.host import cores
from app.imaging import overlay
from app.imaging.decode import MODEL_SIDE, Radiograph, decode, to_model_input
from app.imaging.depth import Depth
from app.imaging.picture import picture
from app.imaging.room import PixelRoom
from app.inference.batcher import Batcher
from app.inference.contract import OUTPUTS, Engine
from app.reading import admission, drift, stages
from app.reading.admission import Place, Room, Turns
from app.reading.limits import Limits
from app.reading.metrics import Metrics
from app.reading.model import Model
from app.reading.reading import Reading, judge
from app.reading.site_profile import SiteProfile
from model_store.manifest import Manifest
from model_store.store import ModelError

log = logging.getLogger("pneumoscope")

# A picture of more pixels than this many squares of its longest side is reduced before it waits.
_KEPT = 2
T = TypeVar("T")


class Reader:
    """The model behind its batcher, and the threads that decode and render.

    Attributes:
        model: which one.
        limits: what it takes on.
        in_flight: images that keep it busy when they are read at once.
    """

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        metrics: Metrics,
        limits: Limits | None = None,
        profile: SiteProfile | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            manifest: the model's.
            engine: the model, loaded.
            metrics: where readings are counted.
            limits: what may be held at once.
            profile: of the site that the model reads for.
        """
        self.limits = limits = limits or Limits()
        self.model = Model(manifest, engine.name, engine.device, profile)
        self._engine, self._metrics = engine, metrics
        self._ready = False
        self._room = Room(limits.max_in_flight, limits.max_bytes_in_flight)
        self._batcher = Batcher(engine, metrics.batch_size.observe)
        metrics.queue_depth.set_function(lambda: self._batcher.waiting)
        metrics.in_flight.set_function(lambda: self._room.taken)
        metrics.in_flight_limit.set(limits.max_in_flight)
        metrics.drift.compare_with(self.model.reference)
        metrics.ready.set_function(lambda: self._ready)
        # As many decoded images as keep the engine busy: others wait as the bytes of their files,
        # which are smaller.
        decoded = 2 * engine.streams * engine.max_batch
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
        self._batcher.start()
        self._warming_up = asyncio.create_task(self._warm_up())
        try:
            yield
        finally:
            self._warming_up.cancel()
            await asyncio.gather(self._warming_up, return_exceptions=True)
            await self._batcher.stop()
            self._pool.shutdown()

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
        async with self._decoded.taken():
            radiograph, image = await self.timed("decode", seconds, prepare)
            waited = time.perf_counter() - came - seconds["decode"]
            answers, queued, inferred = await self._batcher.infer(image)
        began = time.perf_counter() - inferred
        stages.passed("queue", came, waited)
        stages.passed("queue", began - queued, queued)
        stages.passed("infer", began, inferred)
        seconds |= {"queue": waited + queued, "infer": inferred}
        for stage in ("queue", "infer"):
            self._metrics.stage_seconds.labels(stage).observe(seconds[stage])
        reading = judge(radiograph, answers, self.model, seconds)
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
        """Infer blank images: one, and in batches of every power of two.

        Raises:
            ModelError: an answer is not finite.
            Exception: whatever the engine raises.
        """
        blank = np.zeros((self._engine.max_batch, MODEL_SIDE, MODEL_SIDE, 1), np.uint8)
        loop = asyncio.get_running_loop()
        for power in range(len(blank).bit_length()):
            infer = partial(self._engine.infer, blank[: 1 << power])
            answers = await loop.run_in_executor(self._pool, infer)
            if not all(np.isfinite(getattr(answers, name)).all() for name in OUTPUTS):
                raise ModelError("The model's answers to a blank image are not finite.")

    async def _warm_up(self) -> None:
        """Infer before the first client does."""
        try:
            await self.try_engine()
        except Exception:
            log.exception("The model failed its warm-up; the service stays not ready.")
            return
        self._ready = True
