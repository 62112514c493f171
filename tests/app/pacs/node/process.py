"""The node as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.ports import free_port
from tests.app.pacs.network import LOCALHOST, PACS, association, wait_until

COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()", "dicom-node"]


class Node:
    """Where a node's processes keep and say what they do."""

    def __init__(self, folder: Path, model_root: Path, pacs_port: int, **changes: object) -> None:
        self.spool, self.log = folder / "spool", folder / "log"
        self.port, self.metrics_port = free_port(), free_port()
        settings = {
            "MODEL_STORE": model_root,
            "ENGINE": "openvino",
            "NODE_DESTINATION": f"{PACS}@{LOCALHOST}:{pacs_port}",
            "NODE_SPOOL": self.spool,
            "NODE_PORT": self.port,
            "NODE_METRICS_PORT": self.metrics_port,
            **changes,
        }
        self.environment = os.environ | {
            f"PNEUMOSCOPE_{name}": str(value) for name, value in settings.items()
        }

    @contextmanager
    def running(self, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        with (
            self.log.open("ab") as log,
            subprocess.Popen(command, env=self.environment, stdout=log, stderr=log) as process,
        ):
            try:
                wait_until(self._listens, "the node listens")
                assert process.poll() is None, self.log.read_text()
                yield process
            finally:
                process.kill()

    def files(self, stage: str) -> list[Path]:
        return [path for path in (self.spool / stage).rglob("*") if path.is_file()]

    def metrics(self) -> str:
        url = f"http://{LOCALHOST}:{self.metrics_port}/metrics"
        return httpx.get(url, trust_env=False, timeout=60).text

    def is_empty(self) -> bool:
        return not self.files("received") and not list((self.spool / "results").iterdir())

    def _listens(self) -> bool:
        with association(self.port) as opened:
            return opened.is_established
