"""A contestant's server process, from its start to its end."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks import processes
from benchmarks.client import NotYetError, ask_until
from benchmarks.errors import BenchmarkError
from benchmarks.ports import free_port
from benchmarks.roster import Contestant
from benchmarks.uploads import Upload

ROOT = Path(__file__).parent.parent

_PATIENCE = 300.0


@dataclass(frozen=True)
class Server:
    """A server that has answered once.

    Attributes:
        port: on 127.0.0.1.
        pid: of its first process.
        start: seconds from the start of that process to the first answer.
    """

    port: int
    pid: int
    start: float

    @property
    def memory(self) -> int:
        """What all its processes hold now, in bytes."""
        return processes.memory(self.pid)


@contextmanager
def serving(contestant: Contestant, upload: Upload) -> Iterator[Server]:
    """Start a contestant, wait until it has answered one upload, and end it after the block.

    Raises:
        BenchmarkError: it ended, or gave no answer within 300 s, with the end of what it wrote;
            or it gave a wrong one.
    """
    port = free_port()
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = _start(contestant, port, log)
        try:
            _wait(process, contestant, port, upload, log)
            yield Server(port, process.pid, time.perf_counter() - started)
        finally:
            processes.stop(process)


def _start(contestant: Contestant, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    filled = {name: text.format(port=port) for name, text in contestant.environment.items()}
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    try:
        return subprocess.Popen(  # noqa: S603
            [part.format(port=port) for part in contestant.command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": python_path, "TF_CPP_MIN_LOG_LEVEL": "2", **filled},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # An interrupt from the keyboard is for us; the servers end as we end them.
            start_new_session=True,
        )
    except OSError as error:
        raise BenchmarkError(f"{contestant.command[0]} cannot be started: {error}.") from error


def _wait(
    process: subprocess.Popen[bytes],
    contestant: Contestant,
    port: int,
    upload: Upload,
    log: IO[bytes],
) -> None:
    deadline = time.monotonic() + _PATIENCE
    try:
        ask_until(
            deadline, port, contestant.path, upload, _PATIENCE, lambda: process.poll() is not None
        )
    except NotYetError as error:
        if process.returncode is not None:
            message = f"It ended with {process.returncode}: {_tail(log)}"
            raise BenchmarkError(message) from error
        raise BenchmarkError(f"{error} It wrote: {_tail(log)}") from error


def _tail(log: IO[bytes]) -> str:
    """The last lines that the server wrote."""
    log.seek(0)
    return " / ".join(log.read().decode(errors="replace").splitlines()[-5:])
