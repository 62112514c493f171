"""Reading a radiograph: decode, queue, infer, judge, render."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from app import cores, problems
from app.imaging import overlay
from app.imaging.decode import MODEL_SIDE, Radiograph, decode, to_model_input
from app.inference.batcher import Batcher
from app.inference.engine import Answers, Engine
from app.metrics import Metrics
from app.settings import Settings
from model_store.manifest import Manifest
from model_store.store import ModelError

log = logging.getLogger("pneumoscope")

NOT_LIKE_A_CHEST_XRAY = "not_like_a_chest_xray"
T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """One radiograph, read.

    Attributes:
        radiograph: the decoded image.
        answers: the model's outputs, N = 1.
        label: `NORMAL` or `PNEUMONIA`.
        prediction_set: the labels that conformal prediction leaves.
        warnings: machine-readable codes.
        seconds: by stage; rendering adds its own.
    """

    radiograph: Radiograph
    answers: Answers
    label: str
    prediction_set: list[str]
    warnings: list[str]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def target(self) -> overlay.Target:
        """What an overlay shows that explains the label."""
        return "pneumonia" if self.label == "PNEUMONIA" else "normal"

    @property
    def probability(self) -> float:
        return float(self.answers.probability[0])


class Reader:
    """The model behind its batcher, and the threads that decode and render."""

    def __init__(
        self, settings: Settings, manifest: Manifest, engine: Engine, metrics: Metrics
    ) -> None:
        self.settings, self.manifest, self.engine, self.metrics = (
            settings,
            manifest,
            engine,
            metrics,
        )
        self._ready = False
        self._in_flight = 0
        self._batcher = Batcher(engine, metrics)
        # As many decoded images as keep the engine busy: others wait as the bytes of their files,
        # which are smaller.
        self._decoded = asyncio.Semaphore(2 * engine.streams * engine.max_batch)
        self._pool = ThreadPoolExecutor(cores.available(), thread_name_prefix="imaging")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs; ready once the warm-up has passed."""
        self._batcher.start()
        warm_up = asyncio.create_task(self._warm_up())
        try:
            yield
        finally:
            warm_up.cancel()
            await asyncio.gather(warm_up, return_exceptions=True)
            await self._batcher.stop()
            self._pool.shutdown()

    def check_ready(self) -> None:
        """Pass once the warm-up has passed.

        Raises:
            Problem: 503.
        """
        if not self._ready:
            raise problems.unavailable("not_ready", "The model has not passed its warm-up.")

    @property
    def is_full(self) -> bool:
        """Whether every place for a request in flight is taken."""
        return self._in_flight >= self.settings.max_in_flight

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Hold one of the places for requests in flight.

        Raises:
            Problem: 503 while not ready, or where every place is taken.
        """
        self.check_ready()
        if self.is_full:
            raise problems.busy()
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def read(self, data: bytes) -> Reading:
        """Read an image file's bytes.

        Raises:
            ImageError: the file is no image, or none that can be read.
        """
        seconds: dict[str, float] = {}

        def prepare() -> tuple[Radiograph, np.ndarray]:
            radiograph = decode(data, self.settings.max_pixels, self.settings.overlay_max_side)
            return radiograph, to_model_input(radiograph.pixels)

        came = time.perf_counter()
        async with self._decoded:
            waited = time.perf_counter() - came
            radiograph, image = await self.timed("decode", seconds, prepare)
            answers, queued, inferred = await self._batcher.infer(image)
        seconds |= {"queue": waited + queued, "infer": inferred}
        for stage in ("queue", "infer"):
            self.metrics.stage_seconds.labels(stage).observe(seconds[stage])
        return self._judge(radiograph, answers, seconds)

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
                self.settings.overlay_max_side,
            )
            height, width, _ = picture.shape
            return encode(picture), width, height

        return await self.timed("render", reading.seconds, draw)

    async def timed(self, stage: str, seconds: dict[str, float], work: Callable[[], T]) -> T:
        """Work in a thread; the seconds that it took are noted under the stage's name."""
        started = time.perf_counter()
        result = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        seconds[stage] = time.perf_counter() - started
        self.metrics.stage_seconds.labels(stage).observe(seconds[stage])
        return result

    def _judge(
        self, radiograph: Radiograph, answers: Answers, seconds: dict[str, float]
    ) -> Reading:
        calibration = self.manifest.calibration
        probability = float(answers.probability[0])
        normal, pneumonia = self.manifest.labels
        label = pneumonia if probability >= calibration.operating_point.threshold else normal
        warnings = list(radiograph.warnings)
        if answers.novelty[0] > calibration.novelty_limit:
            warnings.append(NOT_LIKE_A_CHEST_XRAY)
        self.metrics.predictions.labels(label).inc()
        self.metrics.probability.observe(probability)
        for code in warnings:
            self.metrics.warnings.labels(code).inc()
        prediction_set = calibration.conformal.prediction_set(probability)
        return Reading(radiograph, answers, label, prediction_set, warnings, seconds)

    async def try_engine(self) -> None:
        """Infer blank images: one, and in batches of every power of two.

        Raises:
            ModelError: an answer is not finite.
            Exception: whatever the engine raises.
        """
        blank = np.zeros((self.engine.max_batch, MODEL_SIDE, MODEL_SIDE, 1), np.uint8)
        loop = asyncio.get_running_loop()
        for power in range(len(blank).bit_length()):
            infer = partial(self.engine.infer, blank[: 1 << power])
            answers = await loop.run_in_executor(self._pool, infer)
            outputs = (answers.logit, answers.probability, answers.cam, answers.novelty)
            if not all(np.isfinite(output).all() for output in outputs):
                raise ModelError("The model's answers to a blank image are not finite.")

    async def _warm_up(self) -> None:
        """Infer before the first client does."""
        try:
            await self.try_engine()
        except Exception:
            log.exception("The model failed its warm-up; the service stays not ready.")
            return
        self._ready = True
