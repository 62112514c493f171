"""DCMTK's tools, each a peer that another maker wrote."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from benchmarks.ports import free_port
from tests.app.pacs.network import LOCALHOST, wait_until


def require() -> None:
    """Skip the test where they are not installed."""
    if not all(map(shutil.which, ("echoscu", "storescu", "storescp"))):
        pytest.skip("DCMTK is not installed; Debian's package dcmtk has it")


def echo(port: int, *options: str | Path) -> bool:
    """Whether C-ECHO is answered."""
    return _ends_well(["echoscu", *options, "-aec", "PNEUMOSCOPE", LOCALHOST, str(port)])


def store(port: int, file: Path, *options: str | Path) -> bool:
    """Whether a file is stored."""
    return _ends_well(["storescu", *options, "-aec", "PNEUMOSCOPE", LOCALHOST, str(port), file])


def certificate(made: Path, name: str) -> list[str | Path]:
    """The options to show a certificate of the tests' own, and to ask the peer for one."""
    return ["+tls", made / f"{name}.key", made / f"{name}.pem", "+cf", made / "ca.pem"]


def _ends_well(command: list[str | Path]) -> bool:
    require()
    return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0


class Storescp:
    """A Storage SCP that keeps what it gets as files."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self._folder, self.port = folder, port or free_port()

    @property
    def stored(self) -> list[Dataset]:
        # Written in place, and perhaps not to the end yet: so ask once it has answered.
        return [dcmread(path) for path in sorted(self._folder.iterdir())]

    @contextmanager
    def listening(self, *options: str | Path) -> Iterator["Storescp"]:
        """Store while the block runs."""
        require()
        self._folder.mkdir(exist_ok=True)
        command = ["storescp", *options, "-od", self._folder, str(self.port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as scp:
            try:
                wait_until(self._listens, "storescp listens")
                assert scp.poll() is None
                yield self
            finally:
                scp.kill()

    def _listens(self) -> bool:
        """Look without a connection, of which it takes one at a time."""
        listening = f":{self.port:04X} 00000000:0000 0A"
        return any(listening in Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
