"""What `pneumoscope archive` does."""

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.archive import files, tables
from app.archive.journal import SUFFIX, Journal
from app.archive.outputs import Outputs
from app.archive.progress import Progress
from app.archive.readings import Readings
from app.errors import ArchiveError
from app.reading.limits import Limits
from app.reading.reader import Reader

# As a path has it, with a single slash.
_URI = re.compile(r"[a-z][a-z0-9+.-]+:/")

STOPPED = "Stopped before the end; the same command goes on from here."


@dataclass(frozen=True)
class Archive:
    """What is read, and what becomes of it.

    Attributes:
        folders: whose files are read: paths, and on a cluster also URIs of object storage.
        out: the table.
        outputs: what else is written.
        max_bytes: of a file; larger ones are not read.
        max_failures: files in a row that may fail.
    """

    folders: Sequence[str]
    out: Path
    outputs: Outputs = field(default_factory=Outputs)
    max_bytes: int = 32 * 2**20
    max_failures: int = 1000

    @property
    def journal(self) -> Path:
        """Where the rows are until the table is written."""
        return self.out.with_name(f"{self.out.name}{SUFFIX}")


def check(archive: Archive) -> None:
    """Pass where the results can be written, whose folders are made.

    Raises:
        ArchiveError: they cannot.
    """
    if _URI.match(str(archive.out)):
        raise ArchiveError("--out: the table is written on this machine: give a path.")
    tables.writer(archive.out)
    # Where these cannot be looked for, the journal cannot be opened either, and says so.
    if os.path.exists(archive.out) and not os.path.exists(archive.journal):
        raise ArchiveError(f"{archive.out} is there already: remove it, or give another --out.")
    try:
        archive.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(f"{archive.out.parent} cannot be made: {error.strerror}.") from error
    archive.outputs.prepare()


async def read(reader: Reader, archive: Archive) -> None:
    """Read an archive, or go on with one, and write its table.

    Args:
        reader: running and ready.
        archive: which one, checked.

    Raises:
        ArchiveError: it was not read to its end; the same call goes on with it.
    """
    model = reader.model
    begun = conditions(model.digest, model.profile_digest, reader.limits, archive)
    journal = Journal(archive.journal, begun)
    try:
        await _read_all(reader, archive, journal)
        await asyncio.to_thread(tables.write, archive.out, journal.rows())
    finally:
        journal.close()
    archive.journal.unlink()


async def _read_all(reader: Reader, archive: Archive, journal: Journal) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    own = [archive.out, *journal.files, *archive.outputs.folders]
    progress = Progress()
    readings = Readings(reader, journal, archive.outputs, progress, archive.max_failures)
    folders = [Path(folder) for folder in archive.folders]
    found = files.under(folders, own)
    counting = asyncio.create_task(asyncio.to_thread(_count, folders, own, progress, stop))
    try:
        await readings.run(found, archive.max_bytes, stop)
    finally:
        was_told = stop.is_set()
        stop.set()
        await counting
        progress.end()
    if was_told:
        raise ArchiveError(STOPPED)


def conditions(
    digest: str, profile: str | None, limits: Limits, archive: Archive
) -> dict[str, str]:
    """What the rows depend on beside the files.

    Args:
        digest: the model's.
        profile: the site profile's digest.
        limits: the reader's.
        archive: what is read.
    """
    outputs = archive.outputs
    return {
        "model": digest,
        "PNEUMOSCOPE_PROFILE": str(profile),
        "limit of pixels or bytes": f"{limits.max_pixels} {archive.max_bytes}",
        "PNEUMOSCOPE_UNSUITABLE": str(limits.refuse_unsuitable),
        "size of overlays": str(limits.picture_side),
        "--overlays": str(outputs.overlays and outputs.overlays.resolve()),
        "--dicom": str(outputs.dicom and outputs.dicom.resolve()),
    }


def _count(
    folders: Sequence[Path], leaving_out: Sequence[Path], progress: Progress, stop: asyncio.Event
) -> None:
    """Have the progress know how many files there are, unless it is time to stop."""
    count = 0
    for _ in files.under(folders, leaving_out):
        count += 1
        if stop.is_set():
            return
    progress.total = count
