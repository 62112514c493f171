"""`python -m benchmarks.soak`: ask a service of its own for all it offers, well and badly.

Images of every format, broken ones, heads and bodies that no client should send, clients that hang
up or read no answer. What has to hold: no status of the service's own fault but 503, an answer from
`/live` all the while, memory, descriptors and threads that do not grow, no error in the log, an end
when asked for.
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psutil

from benchmarks.errors import BenchmarkError
from benchmarks.fuzz import mutated
from benchmarks.images import samples
from benchmarks.ports import free_port

HOST = "127.0.0.1"
# What may be added between the second and the last quarter of a run.
_MOST_GROWTH = 64 * 2**20
_MOST_DESCRIPTORS = _MOST_THREADS = 2
_PATIENCE = 60.0
_SETTLING = 3.0
_PATHS = ("/predict", "/explain", "/explain?target=pneumonia", "/predict/batch")
_ACCEPT = ("*/*", "application/json", "image/png", "application/dicom", "text/html", "*;" * 400)
_BOUNDARY = b"pneumoscope-soak"
_FORM = f"multipart/form-data; boundary={_BOUNDARY.decode()}"


@dataclass(frozen=True)
class State:
    """What the service holds at one moment.

    Attributes:
        memory: resident, in bytes.
        descriptors: open files and sockets.
        threads: of the process.
    """

    memory: int
    descriptors: int
    threads: int


@dataclass
class Report:
    """What became of a run.

    Attributes:
        seconds: that clients asked.
        answers: how many of each status; 0 stands for none, as where the client hung up.
        slowest_live: the longest that `/live` took, in seconds.
        states: every second.
        peak: of the memory, in bytes.
        rest: what was held when all clients had gone.
        failures: what did not hold, in sentences.
    """

    seconds: float
    answers: Counter[int] = field(default_factory=Counter)
    slowest_live: float = 0.0
    states: list[State] = field(default_factory=list)
    peak: int = 0
    rest: State | None = None
    failures: list[str] = field(default_factory=list)


def soak(
    seconds: float,
    clients: int,
    seed: int,
    images: Path | None = None,
    command: list[str] | None = None,
) -> Report:
    """Start a service, and have so many clients ask it for so long.

    Args:
        seconds: that they ask.
        clients: at once.
        seed: the same one has them ask alike.
        images: a folder of images that are sent beside the drawn ones.
        command: what is started instead of the service.

    Raises:
        BenchmarkError: it did not start.
    """
    report, over = Report(seconds), threading.Event()
    with tempfile.TemporaryFile() as log, _serving(log, command) as (process, port):
        files = list(samples().values())
        _warm_up(port, files)
        files += _files(images)
        lock = threading.Lock()

        def work(number: int) -> None:
            chooser = random.Random(f"{seed} {number}")  # noqa: S311
            while not over.is_set():
                status = _CLIENTS[chooser.randrange(len(_CLIENTS))](port, files, chooser)
                with lock:
                    report.answers[status] += 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            report.states.append(_state(process.pid))
            report.slowest_live = max(report.slowest_live, _live(port))
            time.sleep(1)
        over.set()
        for thread in threads:
            thread.join()
        if process.poll() is None:
            time.sleep(_SETTLING)
            report.rest = _state(process.pid)
            report.peak = _peak(process.pid)
            process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        log.seek(0)
        _judge(report, process.poll(), log.read().decode(errors="replace"))
    return report


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError("this is no folder")
    return Path(name)


def _files(folder: Path | None) -> list[bytes]:
    found = sorted(folder.rglob("*")) if folder else []
    return [path.read_bytes() for path in found if path.is_file()]


def _warm_up(port: int, files: list[bytes]) -> None:
    """Have every library loaded that a client can have loaded."""
    headers = {"Content-Type": "application/octet-stream"}
    for path in _PATHS[:2]:
        for file in files:
            _ask(port, "POST", path, file, headers | {"Accept": "application/dicom, */*;q=0.1"})


def _judge(report: Report, ended: int | None, log: str) -> None:
    bad = {status: n for status, n in report.answers.items() if status >= 500 and status != 503}
    if bad:
        report.failures.append(f"Statuses of the service's own fault: {bad}.")
    if report.rest is None:
        report.failures.append(f"The service ended by itself ({ended}).")
    elif ended is None:
        report.failures.append("The service did not end when it was told to.")
    if "Traceback" in log or " ERROR " in log:
        report.failures.append("There are errors in the log.")
    quarter = len(report.states) // 4
    if quarter:
        early, late = report.states[quarter : 2 * quarter], report.states[-quarter:]
        growth = _median(late, "memory") - _median(early, "memory")
        if growth > _MOST_GROWTH:
            report.failures.append(f"The memory grew by {growth / 2**20:.0f} MiB.")
    if report.rest and report.states:
        first = report.states[0]
        if report.rest.descriptors > first.descriptors + _MOST_DESCRIPTORS:
            report.failures.append("Descriptors were left open.")
        most = max(state.threads for state in report.states[: max(1, len(report.states) // 2)])
        if report.rest.threads > most + _MOST_THREADS:
            report.failures.append("Threads were left over.")


def _median(states: list[State], name: str) -> float:
    return statistics.median(float(getattr(state, name)) for state in states)


@contextmanager
def _serving(
    log: IO[bytes], command: list[str] | None
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A service that has passed its warm-up, and its port."""
    port = free_port()
    command = command or [sys.executable, "-c", "from app.start import main; main()", "serve"]
    process = subprocess.Popen(  # noqa: S603
        command,
        env={
            **os.environ,
            "PNEUMOSCOPE_HOST": HOST,
            "PNEUMOSCOPE_PORT": str(port),
            # The images are drawn.
            "PNEUMOSCOPE_UNSUITABLE": "warn",
        },
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 2 * _PATIENCE
        while _ask(port, "GET", "/ready") != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError("The service did not start.")
            time.sleep(0.2)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _state(pid: int) -> State:
    process = psutil.Process(pid)
    return State(process.memory_info().rss, process.num_fds(), process.num_threads())


def _peak(pid: int) -> int:
    """The most memory that was resident since the start, in bytes; psutil does not tell it."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def _live(port: int) -> float:
    started = time.monotonic()
    _ask(port, "GET", "/live")
    return time.monotonic() - started


def _ask(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> int:
    """The status of the answer, or 0 where there is none."""
    connection = HTTPConnection(HOST, port, timeout=_PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def _form(*files: bytes) -> bytes:
    head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' % _BOUNDARY
    return b"".join(head + file + b"\r\n" for file in files) + b"--%b--\r\n" % _BOUNDARY


def _image(port: int, files: list[bytes], chooser: random.Random) -> int:
    accept = {"Accept": chooser.choice(_ACCEPT)}
    path = chooser.choice(_PATHS)
    if path != "/predict/batch" and chooser.random() < 0.5:
        headers = {"Content-Type": "application/octet-stream"} | accept
        return _ask(port, "POST", path, chooser.choice(files), headers)
    count = chooser.randint(1, 4) if path == "/predict/batch" else 1
    body = _form(*chooser.choices(files, k=count))
    return _ask(port, "POST", path, body, {"Content-Type": _FORM} | accept)


def _broken(port: int, files: list[bytes], chooser: random.Random) -> int:
    data = mutated(chooser.choice(files), chooser)
    return _ask(port, "POST", chooser.choice(_PATHS[:2]), data, {"Content-Type": "image/png"})


def _broken_form(port: int, files: list[bytes], chooser: random.Random) -> int:
    body = mutated(_form(chooser.choice(files)), chooser)
    return _ask(port, "POST", "/predict/batch", body, {"Content-Type": _FORM})


def _lookup(port: int, files: list[bytes], chooser: random.Random) -> int:
    path = chooser.choice(
        ("/live", "/ready", "/model", "/metrics", "/docs", "/nowhere", "/predict")
    )
    return _ask(port, "GET", path)


def _too_large(port: int, files: list[bytes], chooser: random.Random) -> int:
    headers = {"Content-Type": "image/png", "Content-Length": str(10**9)}
    return _ask(port, "POST", "/predict", b"x", headers)


def _raw(port: int, files: list[bytes], chooser: random.Random) -> int:
    """What no HTTP client sends; most of it is not read to its end."""
    url = b"a" * chooser.choice((10, 9_000, 10**6))
    lines = b"x: y\r\n" * chooser.choice((1, 200, 10**5))
    head = b"GET /%b HTTP/1.1\r\nHost: x\r\n%b" % (url, lines)
    return _talk(port, chooser.choice((b"", b"\r\n\r\n", b"\0" * 999, head, head + b"\r\n")))


def _hang_up(port: int, files: list[bytes], chooser: random.Random) -> int:
    """In the midst of the request, or as soon as it is sent."""
    body = chooser.choice(files)
    head = b"POST /explain HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    request = head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    cut = chooser.choice((len(request), chooser.randrange(len(request))))
    return _talk(port, request[:cut], read=False)


def _deaf(port: int, files: list[bytes], chooser: random.Random) -> int:
    """Many requests, and not one answer read."""
    return _talk(port, 200 * b"GET /model HTTP/1.1\r\nHost: x\r\n\r\n", read=False)


def _talk(port: int, data: bytes, *, read: bool = True) -> int:
    with suppress(OSError), socket.create_connection((HOST, port), 1) as connection:
        connection.sendall(data)
        if read and connection.recv(1000).startswith(b"HTTP/1.1 5"):
            return 500
    return 0


_CLIENTS: tuple[Callable[[int, list[bytes], random.Random], int], ...] = (
    *(4 * (_image,)),
    *(2 * (_broken,)),
    _broken_form,
    _lookup,
    _too_large,
    _raw,
    _hang_up,
    _deaf,
)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--images", type=_folder, help="a folder of images beside the drawn ones")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(arguments)
    report = soak(options.seconds, options.clients, options.seed, options.images)
    shown = asdict(report) | {"answers": dict(report.answers), "seed": options.seed}
    states = shown.pop("states")
    shown["first"], shown["last"] = states[:1], states[-1:]
    print(json.dumps(shown, indent=2))  # noqa: T201
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
