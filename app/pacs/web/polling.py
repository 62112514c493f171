"""Looking for new studies in a PACS, again and again, and reading them.

What was read is told by the PACS, which holds the report. What is kept here only saves asking.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from app.errors import DeferredError, UnreachableError
from app.pacs.backoff import Backoff
from app.pacs.web.rounds import rounds
from app.pacs.web.study import Outcome, StudyReader

log = logging.getLogger("pneumoscope")

# Unasked, images of these are read and no others: a study may hold captures of doses or of paper.
_MODALITIES = ("CR", "DX")


class Polling:
    """Rounds over the studies of a PACS."""

    def __init__(self, study_reader: StudyReader, since: Callable[[], date]) -> None:
        """Prepare to poll.

        Args:
            study_reader: of the PACS.
            since: the oldest study date to look at, which may move on.
        """
        self._study_reader, self._since = study_reader, since
        # The model, and what it has done with: how many instances a study held when nothing was
        # left to read in it, and images that it cannot read.
        self._model = study_reader.reader.model
        self._settled: dict[str, int | None] = {}
        self._bad: set[str] = set()
        self._told: set[str] = set()
        # Images that failed, and studies and images with which a round ended.
        self._failed, self._ended = Backoff(), Counter[str]()

    async def run(self, seconds: float, stop: asyncio.Event) -> None:
        """Poll until it is time to stop; the image that is being read then is finished.

        Args:
            seconds: between two rounds. After one that failed it takes longer, from 1 second to 5
                minutes.
            stop: ends it.
        """
        await rounds(self._round, seconds, stop)

    async def _round(self, stop: asyncio.Event) -> None:
        archive, model = self._study_reader.archive, self._study_reader.reader.model
        if model is not self._model:
            self._model, self._settled, self._bad = model, {}, set()
        found = await asyncio.to_thread(archive.studies, self._since(), _MODALITIES)
        self._settled = {study: n for study, n in self._settled.items() if study in found}
        # What ended a round before goes last, so that it ends no other's.
        for study in sorted(found, key=self._ended.__getitem__):
            if stop.is_set():
                return
            instances = found[study]
            if instances is None or self._settled.get(study) != instances:
                with self._blaming(study):
                    await self._read(study, instances, stop)

    async def _read(self, study: str, instances: int | None, stop: asyncio.Event) -> None:
        reader, archive = self._study_reader.reader, self._study_reader.archive
        try:
            unread = await asyncio.to_thread(archive.unread, study, _MODALITIES, reader.model)
        # Deleted since the round began.
        except LookupError:
            return
        # Of this study alone, as far as is known.
        except DeferredError as error:
            log.warning("%s", error)
            return
        images = [image for image in unread if image.SOPInstanceUID not in self._bad]
        if not images:
            self._settled[study] = instances
        for image in sorted(images, key=lambda image: self._ended[image.SOPInstanceUID]):
            if stop.is_set():
                return
            if self._failed.is_due(image.SOPInstanceUID):
                with self._blaming(image.SOPInstanceUID):
                    async for outcome in self._study_reader.read([image]):
                        self._note(outcome)

    @contextmanager
    def _blaming(self, name: str) -> Iterator[None]:
        """Note with what a round ended."""
        try:
            yield
        except UnreachableError:
            self._ended[name] += 1
            raise

    def _note(self, outcome: Outcome) -> None:
        self._tell(outcome)
        if outcome.kind in ("failed", "missing"):
            self._failed.failed(outcome.image)
        else:
            self._failed.succeeded(outcome.image)
        if outcome.kind in ("bad", "refused", "not_for_the_model"):
            self._bad.add(outcome.image)

    def _tell(self, outcome: Outcome) -> None:
        """Log an outcome, without the UID, and a failure once."""
        if outcome.kind == "stored" or outcome.image not in self._told:
            log.info("%s: %s", outcome.kind, outcome.said)
        if outcome.kind != "stored":
            self._told.add(outcome.image)


def yesterday() -> date:
    """The day before today: a study keeps its date when midnight or a clock's zone goes by."""
    return date.today() - timedelta(days=1)
