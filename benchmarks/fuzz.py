"""`python -m benchmarks.fuzz`: mutate an image of every format and codec, and decode it.

The decoding runs in a process of its own, whose memory and time are limited. An input passes where
it is read, or is refused as an image that cannot be. What ends the process, takes too long or too
much memory, or raises anything else is kept in a file.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import resource
import struct
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from app.errors import ImageError
from app.imaging.decode import decode
from benchmarks.images import samples

MOST_SECONDS = 5.0
# Beside what the process holds when it begins.
MOST_BYTES = 768 * 2**20
# Until a process is given up, which may have to share its core.
_PATIENCE = 60.0
_MAX_PIXELS = 4_000_000
_BOUNDARIES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)


@dataclass
class Outcome:
    """What a run found.

    Attributes:
        tried: inputs.
        read: those of them that were images still.
        findings: what failed, by the SHA-256 of the input: how, and the input.
    """

    tried: int = 0
    read: int = 0
    findings: dict[str, tuple[str, bytes]] = field(default_factory=dict)


def mutated(data: bytes, chooser: random.Random) -> bytes:
    """The data with bytes changed, runs left out, repeated or moved; most often in its header."""
    changed = bytearray(data)
    for _ in range(chooser.randint(1, 8)):
        reach = min(len(changed), chooser.choice((32, 256, 2048, len(changed))))
        place = chooser.randrange(max(reach, 1))
        length = chooser.choice((1, 2, 4, 16, 256))
        match chooser.randrange(6):
            case 0 | 1:
                changed[place : place + 1] = bytes([chooser.choice(_BOUNDARIES)])
            case 2:
                changed[place : place + 1] = bytes([chooser.randrange(256)])
            case 3:
                del changed[place : place + length]
            case 4:
                run = changed[place : place + length] * chooser.choice((2, 8, 512))
                changed[place:place] = run
            case 5:
                number = chooser.choice((0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1))
                written = struct.pack(chooser.choice((">I", "<I")), number)
                changed[place : place + 4] = written
    return bytes(changed)


def fuzz(seconds: float, seed: int, inputs: dict[str, bytes] | None = None) -> Outcome:
    """Mutate for so long.

    Args:
        seconds: of the whole run.
        seed: the same one mutates in the same order.
        inputs: what is mutated, by name; a sample of each format and codec by default.
    """
    seeds = list((inputs or samples()).values())
    chooser, outcome = random.Random(seed), Outcome()  # noqa: S311
    worker = _Worker()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            data = mutated(chooser.choice(seeds), chooser)
            verdict = worker.decode(data)
            outcome.tried += 1
            outcome.read += verdict == "read"
            if verdict not in ("read", "refused"):
                outcome.findings[hashlib.sha256(data).hexdigest()] = (verdict, data)
    finally:
        worker.stop()
    return outcome


class _Worker:
    """The process that decodes; another one takes its place where it ends."""

    def __init__(self) -> None:
        # Not forked: what this process holds would count there too.
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def decode(self, data: bytes) -> str:
        """`read`, `refused`, or what went wrong."""
        self._ours.send_bytes(data)
        try:
            if self._ours.poll(_PATIENCE):
                return self._ours.recv_bytes().decode()
            verdict = f"took over {_PATIENCE:g} s"
        except EOFError:
            self._process.join()
            verdict = f"ended the process ({self._process.exitcode})"
        self.stop()
        self._start()
        return verdict

    def stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self._ours, theirs = self._context.Pipe()
        self._process: Any = self._context.Process(target=_decode_all, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        # It has loaded the decoders.
        self._ours.recv_bytes()


def _decode_all(connection: Connection) -> None:
    """Decode what comes, until nothing does."""
    # What libraries say of broken files is no finding.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    # The first of each brings its library, which is not to count.
    for data in samples().values():
        _try(data)
    limit = psutil.Process().memory_info().rss + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send_bytes(b"ready")
    while True:
        try:
            data = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_try(data).encode())


def _try(data: bytes) -> str:
    started = time.thread_time()
    try:
        decode(data, _MAX_PIXELS)
        verdict = "read"
    except ImageError:
        verdict = "refused"
    except Exception as error:
        verdict = f"raised {type(error).__name__}"
    seconds = time.thread_time() - started
    return f"took {seconds:.1f} s" if seconds > MOST_SECONDS else verdict


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), metavar="DIR")
    options = parser.parse_args(arguments)
    outcome = fuzz(options.seconds, options.seed)
    print(f"Seed {options.seed}: {outcome.tried} inputs, of which {outcome.read} were read.")  # noqa: T201
    for digest, (verdict, data) in outcome.findings.items():
        options.keep.mkdir(parents=True, exist_ok=True)
        file = options.keep / digest[:16]
        file.write_bytes(data)
        print(f"{file}: {verdict}")  # noqa: T201
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
