from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.spool import Spool
from tests.app.pacs.node.scp import ROOM

DOCUMENTED = Path(__file__).parents[4] / "docs" / "pacs.md"


@pytest.fixture
def registry(tmp_path: Path) -> CollectorRegistry:
    registry = CollectorRegistry()
    NodeMetrics(registry, Spool(tmp_path / "spool", ROOM))
    return registry


def test_every_metric_is_documented(registry: CollectorRegistry) -> None:
    text = DOCUMENTED.read_text()
    for family in registry.collect():
        total = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{total}`" in text


def test_what_can_be_foreseen_is_zero_from_the_start(registry: CollectorRegistry) -> None:
    lines = [line for line in DOCUMENTED.read_text().splitlines() if line.startswith("| `")]
    zeros = {
        family.name: {value for sample in family.samples for value in sample.labels.values()}
        for family in registry.collect()
        if family.type == "counter" and any(sample.labels for sample in family.samples)
    }
    assert len(zeros) == 6
    for name, values in zeros.items():
        [line] = [line for line in lines if line.startswith(f"| `{name}_total`")]
        documented = line.partition("by `")[2].partition(":")[2].split("`")[1::2]
        assert values == {*documented}


def test_the_queues_are_seen_before_anything_comes(registry: CollectorRegistry) -> None:
    for stage in ("received", "results", "aside"):
        assert registry.get_sample_value("pneumoscope_node_queue", {"stage": stage}) == 0
    free = registry.get_sample_value("pneumoscope_node_free_bytes")
    assert free is not None
    assert free > 0
