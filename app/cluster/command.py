"""What `pneumoscope archive --ray` does: the rows of `pneumoscope archive`, from many machines."""

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa

from app.archive import tables
from app.archive.command import STOPPED, Archive, conditions
from app.archive.failures import Failures
from app.archive.journal import Journal, row_of
from app.archive.progress import Progress
from app.archive.read import INTERNAL_ERROR
from app.archive.row import Row
from app.cluster import places
from app.cluster.places import Place
from app.errors import ArchiveError
from app.reading.from_settings import limits, open_model, open_profile
from app.settings import Settings

# Ray tells its makers how it is used, unless told not to before it is imported.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Errors of its own core, which tell a user nothing, would go to standard error.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

import ray
import ray.data
import ray.exceptions

from app.cluster.worker import COLUMNS, KNOWN, Worker

# What is lost, and read again, with a worker.
_BATCH = 32
# Of a worker: more of them gain little, and fewer hold more models.
_CORES = 4
_ATTEMPTS = 3
_PATIENCE = 10.0


def read(archive: Archive, settings: Settings, address: str) -> None:
    """Read an archive on a cluster, or go on with one, and write its table.

    Args:
        archive: which one, checked.
        settings: the model and the limits, the same on every machine.
        address: of the cluster; `auto` is the one that this machine belongs to.

    Raises:
        ArchiveError: it was not read to its end; the same call goes on with it.
        ModelError: this machine has not the model.
        ProfileError: nor the site profile, or it is of another model.
    """
    manifest = open_model(settings).manifest
    profile = open_profile(settings, manifest)
    digests = manifest.digest, profile.digest if profile else None
    begun = conditions(*digests, limits(settings), archive)
    with closing(Journal(archive.journal, begun)) as journal:
        with _connected(address), _told_to_stop() as stop:
            _read_all(archive, settings, journal, digests, stop)
        tables.write(archive.out, journal.rows())
    archive.journal.unlink()


def _read_all(
    archive: Archive,
    settings: Settings,
    journal: Journal,
    digests: tuple[str, str | None],
    stop: threading.Event,
) -> None:
    files = list(places.under(archive.folders))
    missing = {file.name for file in files}
    progress, failures = Progress(), Failures(archive.max_failures)
    progress.total = len(files)
    try:
        for row, known in _rows(files, settings, journal) if files else ():
            missing.discard(row.path)
            if row.model_digest and (row.model_digest, row.profile_digest) != digests:
                raise ArchiveError("A machine of the cluster has another model or site profile.")
            before = journal.known(row.path, row.sha256) if known and row.sha256 else None
            _note(before or row, known, journal, progress, failures)
            if stop.is_set():
                raise ArchiveError(STOPPED)
        for name in sorted(missing):
            row = Row(path=name).failed(INTERNAL_ERROR, "Its worker ended, time and again.")
            _note(row, False, journal, progress, failures)
    except ray.exceptions.RayError as error:
        raise ArchiveError(f"The cluster failed: {type(error).__name__}.") from error
    finally:
        progress.end()


def _note(row: Row, known: bool, journal: Journal, progress: Progress, failures: Failures) -> None:
    journal.add(row)
    progress.count(row.label or row.problem or "", known=known)
    failures.note(row, known=known)


def _rows(
    files: Sequence[Place], settings: Settings, journal: Journal
) -> Iterator[tuple[Row, bool]]:
    """The rows of the files as they come, and whether the journal knows them."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A file that ends its worker must not end the others: what never comes is told at the end.
    context.max_errored_blocks = -1
    batches = [
        pa.Table.from_pylist(
            [
                {**file._asdict(), KNOWN: journal.content(file.name)}
                for file in files[start : start + _BATCH]
            ],
            COLUMNS,
        )
        for start in range(0, len(files), _BATCH)
    ]
    with warnings.catch_warnings():
        # Ray has no other way yet to bound the attempts.
        warnings.filterwarnings("ignore", "`ray_remote_args_fn`")
        read = ray.data.from_arrow(batches).map_batches(
            Worker,
            fn_constructor_args=(settings.model_dump(), settings.max_upload_bytes),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(min_size=1),
            num_cpus=_cores(),
            # Without an end otherwise: a file that ends its worker would end all of them in turn.
            ray_remote_args_fn=lambda: {
                "max_restarts": _ATTEMPTS,
                "max_task_retries": _ATTEMPTS,
            },
        )
    for batch in read.iter_batches(batch_size=None, batch_format="pyarrow"):
        for line, known in zip(*(batch[name].to_pylist() for name in ("row", KNOWN)), strict=True):
            yield row_of(line), known


def _cores() -> int:
    """Those of a worker, which the smallest machine must have."""
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return int(max(1, min([_CORES, *filter(None, nodes)])))


@contextmanager
def _connected(address: str) -> Iterator[None]:
    # Ray's own log, in its session's folder, has all of it.
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)
    try:
        _check(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"--ray: no cluster answers at {address}.") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check(address: str) -> None:
    """Pass where something listens at an address of the form `host:port`.

    Ray itself tries for minutes.

    Raises:
        OSError: nothing does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), _PATIENCE).close()


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
