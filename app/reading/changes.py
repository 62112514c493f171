"""Other versions of the model, without a pause: on SIGHUP they take over, or read along.

What is wrong with a version, or with what goes with it, is logged and counted, and never ends what
answers.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from app.errors import NotReadyError, ProfileError
from app.host import hangup, priority
from app.reading import trial
from app.reading.from_settings import (
    load_model,
    load_shadow,
    open_model,
    open_profile,
    open_shadow,
)
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.reading.served import Served
from app.reading.shadow import Shadow
from app.settings import Settings
from model_store.store import ModelError

log = logging.getLogger("pneumoscope")


@asynccontextmanager
async def on_hangup(settings: Settings, reader: Reader, metrics: Metrics) -> AsyncIterator[None]:
    """Have the reader's model, and its shadow, be what the settings name, while the block runs."""
    changes = _Changes(settings, reader, metrics)
    told = asyncio.Event()
    task = asyncio.create_task(changes.run(told))
    with hangup.heard(told.set):
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await changes.end_shadow()


class _Changes:
    def __init__(self, settings: Settings, reader: Reader, metrics: Metrics) -> None:
        self._settings, self._reader, self._metrics = settings, reader, metrics

    async def run(self, told: asyncio.Event) -> None:
        """Begin with the shadow, once the model is ready; then change both whenever told."""
        try:
            await self._reader.ready()
        except NotReadyError:
            log.error("Another version may take over on SIGHUP.")
        await self._trying("shadow", self._begin_shadow)
        while True:
            await told.wait()
            told.clear()
            # Three models would be in memory otherwise.
            await self.end_shadow()
            await self._trying("serving", self._change)
            await self._trying("shadow", self._begin_shadow)

    async def _trying(self, role: str, change: Callable[[], Awaitable[str]]) -> None:
        try:
            result = await change()
        except Exception as error:
            # Those of others say nothing to an operator without where they come from.
            expected = isinstance(error, ModelError | ProfileError)
            log.error("THE %s MODEL WAS REFUSED. %s", role.upper(), error, exc_info=not expected)
            result = "refused"
        self._metrics.model_changes.labels(role, result).inc()

    async def _change(self) -> str:
        now = self._reader.model
        version = await asyncio.to_thread(open_model, self._settings)
        profile = open_profile(self._settings, version.manifest)
        if (version.manifest.digest, profile) == (now.digest, now.profile):
            log.info("%s %d goes on answering: nothing has changed.", now.name, now.version)
            return "unchanged"
        load = partial(load_model, self._settings, version, profile, self._metrics)
        served = await priority.in_background(lambda: _tried(load()))
        await self._reader.change_to(served)
        log.info("%s %d answers in place of %d.", now.name, served.model.version, now.version)
        return "changed"

    async def _begin_shadow(self) -> str:
        version = await asyncio.to_thread(open_shadow, self._settings)
        if version is None or version.manifest.digest == self._reader.model.digest:
            return "unchanged"
        load = partial(load_shadow, self._settings, version)
        served = await priority.in_background(lambda: _tried(load()))
        self._reader.shadow = Shadow(served, self._reader.model, self._metrics, self._reader.unused)
        self._reader.shadow.start()
        log.info("%s %d reads in the background.", served.model.name, served.model.version)
        return "changed"

    async def end_shadow(self) -> None:
        """Have no shadow any more."""
        if shadow := self._reader.shadow:
            self._reader.shadow = None
            await shadow.stop()


def _tried(served: Served) -> Served:
    """A model that has passed its trial.

    Raises:
        ModelError: it does not.
        Exception: whatever the engine raises.
    """
    trial.run(served.engine, served.model.manifest)
    return served
