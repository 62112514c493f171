"""A durable queue in a folder: images that wait to be read, and results that wait to be sent.

    received/NAME.dcm   an image, as it arrived
    results/NAME/       what answers it, a file each
    aside/              an image or results that cannot go on, and NAME.txt, the reason
    attempts/NAME       a byte for each time that the image's reading began and did not end
    partial/            what is being written; whatever a kill leaves there was never acknowledged

NAME is the SHA-256 of the image's file, but for its sender: it tells nothing of the patient, and an
image that arrives twice while it waits is one entry. What is made in `partial` is synchronised with
the disk before it is moved, as a whole, to where it counts. Whatever else lies in these folders is
passed over.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from app.errors import SpoolFullError

log = logging.getLogger("pneumoscope")

_Parts = Sequence[bytes | memoryview]
Waiting = Literal["received", "results"]
Stage = Literal[Waiting, "aside"]
WAITING: tuple[Waiting, ...] = get_args(Waiting)
STAGES: tuple[Stage, ...] = get_args(Stage)

_PRIVATE = 0o700
_IMAGE, _REASON = ".dcm", ".txt"
_NAME = re.compile("[0-9a-f]{64}")


class Room(NamedTuple):
    """What a spool may hold before it takes no more images; nothing is removed to make room.

    Attributes:
        entries: images and results that wait.
        aside: images and results that were set aside.
        free_bytes: of the disk, that are left for results and for others.
    """

    entries: int
    aside: int
    free_bytes: int


class Spool:
    """The queue in one folder, which one process at a time holds.

    All folders are open to the service's user alone, and so are the files.
    """

    def __init__(self, root: Path, room: Room) -> None:
        """Take the folder, and finish or undo what a kill left half done.

        Args:
            root: the folder, made where there is none.
            room: what it may hold.

        Raises:
            BlockingIOError: another process holds the folder.
            OSError: it cannot be written.
        """
        self._root, self._room = root, room
        self._listeners: dict[Waiting, Callable[[], None]] = {}
        self._strays: dict[Stage, set[str]] = {}
        self._reporting = threading.Lock()
        root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        self._lock = os.open(root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._partial, self._attempts = root / "partial", root / "attempts"
            shutil.rmtree(self._partial, ignore_errors=True)
            for folder in (self._partial, self._attempts, *map(self._folder, STAGES)):
                folder.mkdir(mode=_PRIVATE, exist_ok=True)
                folder.chmod(_PRIVATE)
        except OSError:
            self.close()
            raise
        # Killed after the results were there, and before their image went.
        for name in self.waiting("results"):
            if self._image(name).is_file():
                self._image(name).unlink()
        # Killed after an image went, and before its reading counted as ended.
        for name in self._begun() - set(self.waiting("received")):
            self.end(name)

    def listen(self, stage: Waiting, listener: Callable[[], None]) -> None:
        """Have a function called, in whichever thread, when an entry comes into a stage."""
        self._listeners[stage] = listener

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def put(self, parts: _Parts, identity: _Parts | None = None) -> str:
        """Queue an image; once this returns, no kill and no loss of power loses it.

        Args:
            parts: of its file, in order.
            identity: what tells it from other images, unless that is all of its file.

        Returns:
            The entry's name, that of the first where the same image waits already.

        Raises:
            SpoolFullError: nothing was queued, as there is no room.
            OSError: nothing was queued, as the disk refused.
        """
        digest = hashlib.sha256()
        for part in identity or parts:
            digest.update(part)
        name = digest.hexdigest()
        # In the order in which an entry moves, so that none slips through between.
        if not self._image(name).is_file() and not self._results(name).is_dir():
            self._check_room(sum(map(len, parts)))
            self._write(self._image(name), parts)
        _synchronise(self._folder("received"))
        self._tell("received")
        return name

    def free_bytes(self) -> int:
        """What is free of its disk."""
        return shutil.disk_usage(self._root).free

    def waiting(self, stage: Waiting) -> list[str]:
        """The names of a stage's entries, the oldest first."""
        return [name for _, name in sorted(self._entries(stage))]

    def depth(self, stage: Stage) -> int:
        """How many entries a stage has."""
        return len(self._entries(stage))

    def age(self, stage: Waiting) -> float:
        """The seconds for which a stage's oldest entry has been in it; 0 where there is none."""
        now = time.time()
        return max((now - since for since, _ in self._entries(stage)), default=0.0)

    def holds(self, name: str) -> bool:
        """Whether a received image is there still."""
        return self._image(name).is_file()

    def read(self, name: str) -> bytes:
        """A received image's file."""
        return self._image(name).read_bytes()

    def begin(self, name: str) -> int:
        """Note that reading an image begins, before it may end the process.

        It is not synchronised with the disk: what a process wrote outlives it, and no image is to
        blame for a loss of power.

        Returns:
            How often that was noted since a reading last ended.
        """
        with open(self._attempts / name, "ab", opener=_private) as file:
            file.write(b".")
            return file.tell()

    def end(self, name: str) -> None:
        """Note that reading an image ended, and the process did not."""
        (self._attempts / name).unlink(missing_ok=True)

    def suspects(self) -> list[str]:
        """The images that wait and were being read when the process ended, the oldest first."""
        begun = self._begun()
        return [name for name in self.waiting("received") if name in begun]

    def drop(self, name: str) -> None:
        """Remove a received image, which gets no result."""
        self._image(name).unlink()

    def answer(self, name: str, files: Mapping[str, bytes]) -> None:
        """Replace a received image by its results, all of them or none.

        Args:
            name: the image's.
            files: by their names, in whose order they are sent.

        Raises:
            OSError: the image waits as before.
        """
        made = Path(tempfile.mkdtemp(dir=self._partial))
        try:
            for file_name, data in files.items():
                self._write(made / file_name, [data])
            _synchronise(made)
            # They are there already where the image arrived again at the moment that it was
            # answered.
            if not self._results(name).is_dir():
                made.rename(self._results(name))
                _synchronise(self._folder("results"))
        finally:
            shutil.rmtree(made, ignore_errors=True)
        self._image(name).unlink()
        self._tell("results")

    def files(self, name: str) -> list[Path]:
        """The results that are still to be sent, in order; each is to be removed once it is."""
        return sorted(self._results(name).iterdir())

    def finish(self, name: str) -> None:
        """Remove results whose files are all sent."""
        self._results(name).rmdir()

    def set_aside(self, stage: Waiting, name: str, reason: str) -> None:
        """Move an entry out of the way, for a person to look at.

        Args:
            stage: where it is.
            name: its name.
            reason: a sentence that quotes nothing of the image.
        """
        aside = self._folder("aside")
        entry = self._image(name) if stage == "received" else self._results(name)
        self._write(aside / f"{name}{_REASON}", [f"{reason}\n".encode()])
        if entry.is_dir():
            shutil.rmtree(aside / entry.name, ignore_errors=True)
        entry.rename(aside / entry.name)
        _synchronise(aside)

    def _check_room(self, size: int) -> None:
        if self.depth("received") + self.depth("results") >= self._room.entries:
            raise SpoolFullError("queue_full")
        if self.depth("aside") >= self._room.aside:
            raise SpoolFullError("aside_full")
        if self.free_bytes() - size < self._room.free_bytes:
            raise SpoolFullError("disk_full")

    def _begun(self) -> set[str]:
        paths = self._attempts.iterdir()
        return {path.name for path in paths if _NAME.fullmatch(path.name) and path.is_file()}

    def _tell(self, stage: Waiting) -> None:
        if stage in self._listeners:
            self._listeners[stage]()

    def _entries(self, stage: Stage) -> list[tuple[float, str]]:
        """When each entry came, in seconds since the epoch, and its name."""
        found, strays = [], set()
        with os.scandir(self._folder(stage)) as paths:
            for path in paths:
                if path.name.endswith(_REASON):
                    continue
                if not _is_entry(stage, path):
                    strays.add(path.name)
                    continue
                try:
                    since = path.stat(follow_symlinks=False).st_mtime
                # It has moved on.
                except FileNotFoundError:
                    continue
                found.append((since, Path(path.name).stem))
        self._report(stage, strays)
        return found

    def _report(self, stage: Stage, strays: set[str]) -> None:
        """Log those that are new, without their names, which may be patients'."""
        with self._reporting:
            new = len(strays - self._strays.get(stage, set()))
            self._strays[stage] = strays
        if new:
            log.warning("%s holds %d that are no entries of the queue; passed over", stage, new)

    def _folder(self, stage: Stage) -> Path:
        return self._root / stage

    def _image(self, name: str) -> Path:
        return self._folder("received") / f"{name}{_IMAGE}"

    def _results(self, name: str) -> Path:
        return self._folder("results") / name

    def _write(self, target: Path, parts: Iterable[bytes | memoryview]) -> None:
        """Make a file that is whole and on the disk before it has its name."""
        descriptor, partial = tempfile.mkstemp(dir=self._partial)
        try:
            with open(descriptor, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(descriptor)
            os.rename(partial, target)
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise


def _is_entry(stage: Stage, path: os.DirEntry[str]) -> bool:
    is_image = (
        stage != "results" and path.name.endswith(_IMAGE) and path.is_file(follow_symlinks=False)
    )
    is_results = stage != "received" and path.is_dir(follow_symlinks=False)
    name = path.name.removesuffix(_IMAGE) if is_image else path.name
    return (is_image or is_results) and _NAME.fullmatch(name) is not None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _synchronise(folder: Path) -> None:
    """Have the disk know which names a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
