"""A listening SCP of the node's, without the rest of the node."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.settings import NodeSettings, StorageAddress
from app.pacs.node.spool import Room, Spool
from app.pacs.node.storage_scp import StorageScp
from benchmarks.ports import free_port
from tests.app.pacs.network import LOCALHOST, wait_until

MAX_BYTES = 2**20
ROOM = Room(entries=100, aside=100, free_bytes=0)


class Node:
    """A listening SCP, its spool and its metrics."""

    def __init__(self, folder: Path, room: Room = ROOM, **settings: Any) -> None:
        self.port = free_port()
        self.folder = folder / "spool"
        self.registry = CollectorRegistry()
        self.spool = Spool(self.folder, room)
        made = NodeSettings(
            destination=StorageAddress("PACS", LOCALHOST, 1),
            spool=self.folder,
            port=self.port,
            **settings,
        )
        self.scp = StorageScp(made, MAX_BYTES, self.spool, NodeMetrics(self.registry, self.spool))

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"pneumoscope_node_{name}", labels) or 0

    def waits_for(self, name: str, value: float, **labels: str) -> None:
        """Wait for a metric's value: of TLS, a peer is told before the node has counted."""
        wait_until(lambda: self.metric(name, **labels) == value, f"{name} {labels} {value}")

    def counted(self, outcome: str) -> float:
        return self.metric("received_total", outcome=outcome)


@contextmanager
def listening(folder: Path, **settings: Any) -> Iterator[Node]:
    node = Node(folder, **settings)
    with node.scp.listening():
        yield node
    node.spool.close()
