"""Doing what a worklist asks for, again and again: claiming workitems, and reading their inputs.

What is done is told by the worklist and by the PACS, which hold the states and the results.
"""

import asyncio
import logging
from collections import Counter
from datetime import UTC, date, datetime
from functools import partial

from pydicom import Dataset

from app.errors import DeferredError, RefusedError, UnreachableError
from app.imaging.dicom.read import MODALITIES
from app.pacs.backoff import Backoff
from app.pacs.web import workitem
from app.pacs.web.rounds import rounds
from app.pacs.web.study import Outcome, StudyReader
from app.pacs.web.worklist import CANCELED, COMPLETED, IN_PROGRESS, SCHEDULED, Worklist

log = logging.getLogger("pneumoscope")


class Performer:
    """Rounds over the workitems of a worklist, as IHE's Task Performer in the pull workflow."""

    def __init__(
        self, study_reader: StudyReader, worklist: Worklist, assignment: workitem.Assignment
    ) -> None:
        """Prepare to perform.

        Args:
            study_reader: of the PACS that holds the inputs.
            worklist: of the manager.
            assignment: which workitems are taken.
        """
        self._study_reader, self._worklist = study_reader, worklist
        self._assignment = assignment
        # Workitems in progress that are another performer's.
        self._others: set[str] = set()
        # Workitems that failed, and those with which a round ended.
        self._failed, self._ended = Backoff(), Counter[str]()

    async def run(self, seconds: float, stop: asyncio.Event) -> None:
        """Perform until it is time to stop; the image that is being read then is finished.

        A workitem of which images are left stays in progress, and the next start goes on with it.

        Args:
            seconds: between two rounds. After one that failed it takes longer, from 1 second to 5
                minutes.
            stop: ends it.
        """
        await rounds(self._round, seconds, stop)

    async def _round(self, stop: asyncio.Event) -> None:
        # What a kill, a stop or a failure left in progress comes first.
        in_progress = await self._found(IN_PROGRESS)
        self._others &= set(in_progress)
        scheduled = await self._found(SCHEDULED)
        found = {uid: IN_PROGRESS for uid in in_progress if uid not in self._others}
        found |= dict.fromkeys(scheduled, SCHEDULED)
        # What ended a round before goes last, so that it ends no other's.
        for uid in sorted(found, key=self._ended.__getitem__):
            if stop.is_set():
                return
            if self._failed.is_due(uid):
                await self._take(uid, found[uid], stop)

    async def _found(self, state: str) -> list[str]:
        """The workitems in a state that are for this performer, the most urgent first."""
        listed = await asyncio.to_thread(
            self._worklist.search, state, self._assignment.matching, workitem.LISTED
        )
        taken = sorted(filter(self._assignment.takes, listed), key=workitem.urgency)
        return [str(one.SOPInstanceUID) for one in taken]

    async def _take(self, uid: str, state: str, stop: asyncio.Event) -> None:
        try:
            done = await self._perform(uid, state, stop)
        except RefusedError as error:
            log.warning("workitem given up: %s", error)
            self._others.add(uid)
            self._failed.failed(uid)
        except DeferredError as error:
            log.warning("%s", error)
            self._failed.failed(uid)
        except UnreachableError:
            self._ended[uid] += 1
            raise
        else:
            if done:
                self._failed.succeeded(uid)
            else:
                self._failed.failed(uid)

    async def _perform(self, uid: str, state: str, stop: asyncio.Event) -> bool:
        """Do what a workitem asks for; returns whether that is done.

        Raises:
            RefusedError: the workitem is not this performer's any more.
            UnreachableError: the manager or the PACS does not answer, or with an error.
        """
        take = self._worklist.claim if state == SCHEDULED else self._worklist.go_on
        try:
            await asyncio.to_thread(take, uid)
        except RefusedError:
            # Another has it. Where it still is scheduled, it is claimed less and less often.
            self._others.add(uid)
            return False
        started = datetime.now(UTC)
        contents = await asyncio.to_thread(self._worklist.retrieve, uid, workitem.CLAIMED)
        outcomes = await self._outcomes(contents, stop)
        if outcomes is None:
            return False
        why = workitem.reasons({outcome.kind for outcome in outcomes})
        if "missing" in why:
            await asyncio.to_thread(self._check_archive)
        changes = workitem.ended(
            contents,
            self._assignment.station,
            started,
            [result for outcome in outcomes for result in outcome.results],
            self._study_reader.archive.url,
            why,
        )
        final = CANCELED if why else COMPLETED
        await asyncio.to_thread(self._worklist.end, uid, final, changes)
        log.info("workitem %s", f"canceled: {workitem.said(why)}" if why else "completed")
        return True

    def _check_archive(self) -> None:
        """Pass where the archive answers at all: under a wrong URL, every image is missing.

        Raises:
            UnreachableError: it does not answer, or with an error.
        """
        self._study_reader.archive.studies(date.today(), MODALITIES[:1])

    async def _outcomes(self, contents: Dataset, stop: asyncio.Event) -> list[Outcome] | None:
        """What became of each input; None where one may do better later, or it is time to stop."""
        archive, reader = self._study_reader.archive, self._study_reader.reader
        images_of = partial(archive.unread, modalities=MODALITIES, model=reader.model, again=True)
        try:
            images = await asyncio.to_thread(workitem.inputs, contents, images_of)
        except ValueError as error:
            return [Outcome("", "bad", str(error))]
        except LookupError as error:
            return [Outcome("", "missing", str(error))]
        outcomes = []
        for image in images:
            if stop.is_set():
                return None
            async for outcome in self._study_reader.read([image]):
                log.info("%s: %s", outcome.kind, outcome.said)
                if outcome.kind == "failed":
                    return None
                outcomes.append(outcome)
        return outcomes
