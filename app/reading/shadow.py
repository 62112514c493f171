"""Another version of the model that reads the same images, for nothing but the metrics.

It reads while no client waits, and on one thread of the lowest priority. What it has no time for it
drops. Its answers reach nobody.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import numpy.typing as npt

from app.codes import Label
from app.reading.metrics import Metrics
from app.reading.model import Model
from app.reading.reading import Reading, judge
from app.reading.served import Served

log = logging.getLogger("pneumoscope")

# A burst of images may be read after it: with what was answered they take 150 kB each.
_MOST_WAITING = 64


class Shadow:
    """The other version, and the images that wait for it.

    Attributes:
        model: which one.
    """

    def __init__(
        self, served: Served, beside: Model, metrics: Metrics, idle: Callable[[], Awaitable[object]]
    ) -> None:
        """Prepare to read.

        Args:
            served: the other version.
            beside: the model that answers.
            metrics: where differences are counted.
            idle: waits until no client waits.
        """
        self.model = served.model
        self._served, self._metrics, self._idle = served, metrics, idle
        self._begin_at_zero(beside)
        self._queue: asyncio.Queue[tuple[npt.NDArray[np.uint8], Reading]] = asyncio.Queue(
            _MOST_WAITING
        )

    def offer(self, image: npt.NDArray[np.uint8], reading: Reading) -> None:
        """Have an image read later, or never.

        Args:
            image: as models take it, uint8 `[224, 224, 1]`.
            reading: what was answered.
        """
        # Without what takes room, and is not compared.
        radiograph = replace(reading.radiograph, pixels=np.empty((0, 0), np.uint8))
        try:
            self._queue.put_nowait((image, replace(reading, radiograph=radiograph)))
        except asyncio.QueueFull:
            self._metrics.shadow_dropped.labels("no_time").inc()

    def start(self) -> None:
        """Read from now on, in the running loop."""
        self._served.start()
        self._reading = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Read no more."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._served.stop()

    def _begin_at_zero(self, beside: Model) -> None:
        """Have the series of both versions, so that a rate is known from the start."""
        versions = str(beside.version), str(self.model.version)
        self._metrics.shadow_difference.labels(*versions)
        for before, after in permutations(Label, 2):
            self._metrics.shadow_labels.labels(*versions, before, after)

    async def _run(self) -> None:
        while True:
            image, reading = await self._queue.get()
            await self._idle()
            try:
                answers = (await self._served.infer(image)).answers
                other = judge(reading.radiograph, answers, self.model, {})
            except Exception as error:
                log.error("The shadow failed with %s", type(error).__name__)
                self._metrics.shadow_dropped.labels("failed").inc()
            else:
                self._compare(reading, other)

    def _compare(self, reading: Reading, other: Reading) -> None:
        versions = str(reading.model.version), str(other.model.version)
        # The models' own, since a site profile is of one of them.
        difference = abs(float(reading.answers.probability[0] - other.answers.probability[0]))
        self._metrics.shadow_difference.labels(*versions).observe(difference)
        if reading.label != other.label:
            self._metrics.shadow_labels.labels(*versions, reading.label, other.label).inc()
