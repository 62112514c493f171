"""A model version that answers, until the last of those who began with it is done."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from app.inference.batcher import Batcher, Timed
from app.inference.contract import Engine
from app.reading import trial
from app.reading.model import Model
from app.reading.site_profile import SiteProfile
from model_store.manifest import Manifest


class Served:
    """A loaded model behind its batcher.

    Attributes:
        model: which one.
        engine: what computes it.
        seconds: that it took to load it.
    """

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        profile: SiteProfile | None = None,
        observe: Callable[[int], object] = lambda _: None,
        seconds: float = 0.0,
    ) -> None:
        """Prepare to answer.

        Args:
            manifest: the model's.
            engine: the model, loaded.
            profile: of the site that the model reads for.
            observe: is told the size of each batch.
            seconds: that it took to load the model.
        """
        self.model = Model(manifest, engine.name, engine.device, profile)
        self.engine = engine
        self.seconds = seconds
        self._batcher = Batcher(engine, observe)
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def waiting(self) -> int:
        """How many images wait for the engine."""
        return self._batcher.waiting

    def start(self) -> None:
        """Be able to infer, in the running loop."""
        self._batcher.start()

    async def try_out(self) -> None:
        """Infer the built-in images, as `trial.run` does, and raise what it raises."""
        await asyncio.to_thread(trial.run, self.engine, self.model.manifest)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have the model answer at least until the block ends."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def unused(self) -> None:
        """Wait until nobody uses it."""
        await self._unused.wait()

    async def infer(self, image: npt.NDArray[np.uint8]) -> Timed:
        """As `Batcher.infer`."""
        return await self._batcher.infer(image)

    async def stop(self) -> None:
        """As `Batcher.stop`."""
        await self._batcher.stop()
