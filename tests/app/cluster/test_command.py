"""`pneumoscope archive --ray` on a real cluster: three Ray nodes on this machine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import synthetic, tiny
from tests.app.pacs.network import wait_until

# Ray tells its makers how it is used, unless told not to before it is imported.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
Cluster = pytest.importorskip("ray.cluster_utils").Cluster

COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()", "archive"]
IMAGES = 120
_STORE = 80 * 2**20
# Seconds, for a machine that runs the other tests beside a cluster.
_PATIENCE = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that computes nothing, so that it survives, and two nodes of one core each."""
    made = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": _STORE,
            "include_dashboard": False,
        },
    )
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=_STORE)
    yield made
    # The head last, since the others would wait for it.
    for node in list(made.worker_nodes):
        made.remove_node(node, allow_graceful=False)
    made.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    chests = [
        synthetic.encode(synthetic.chest(seed, pneumonia=bool(seed % 2))) for seed in range(4)
    ]
    for number in range(IMAGES):
        # Behind the end of a PNG there may be anything.
        (folder / f"{number}.png").write_bytes(chests[number % 4] + bytes([number]))
    (folder / "broken.png").write_bytes(chests[0][:400])
    (folder / "note.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("store")
    tiny.install(root)
    return os.environ | {"PNEUMOSCOPE_MODEL_STORE": str(root), "PNEUMOSCOPE_ENGINE": "openvino"}


def _start(environment: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _run(environment: dict[str, str], *arguments: object) -> tuple[int, str]:
    with _start(environment, *arguments) as process:
        said, _ = process.communicate(timeout=2 * _PATIENCE)
    return process.returncode, said


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    """The table, without what depends on the moment."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    changing = ("seconds", "probability", "novelty", "lungs_share", "evidence_in_lungs")
    return {
        row["path"]: {name: value for name, value in row.items() if name not in changing}
        for row in rows
    }


@pytest.fixture(scope="module")
def expected(
    environment: dict[str, str], images: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What one machine makes of the images."""
    out = tmp_path_factory.mktemp("expected") / "out.jsonl"
    status, said = _run(environment, images, "--out", out)
    assert status == 0, said
    return _rows(out)


def _some_rows(out: Path) -> bool:
    journal = out.with_name(f"{out.name}.journal")
    return journal.exists() and journal.stat().st_size > 40_000


def test_killed_it_goes_on_and_has_the_rows_of_one_machine(
    cluster: Any,
    environment: dict[str, str],
    images: Path,
    expected: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.jsonl"
    arguments = [images, "--out", out, "--ray", cluster.address]
    with _start(environment, *arguments) as process:
        wait_until(lambda: _some_rows(out), "rows", _PATIENCE)
        process.kill()
    assert not out.exists()

    status, said = _run(environment, *arguments)

    assert status == 0, said
    assert "known before" in said
    assert "core_worker" not in said
    assert _rows(out) == expected


def test_a_lost_node_loses_no_row(
    cluster: Any,
    environment: dict[str, str],
    images: Path,
    expected: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    lost = cluster.add_node(num_cpus=1, object_store_memory=_STORE)
    out = tmp_path / "out.jsonl"
    with _start(environment, images, "--out", out, "--ray", cluster.address) as process:
        wait_until(lambda: _some_rows(out), "rows", _PATIENCE)
        raylet = lost.all_processes["raylet"][0].process
        os.kill(raylet.pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=2 * _PATIENCE)

    assert process.returncode == 0, said
    assert _rows(out) == expected


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--ray", "127.0.0.1:1"], 1, "--ray: no cluster answers at 127.0.0.1:1."),
        (["--ray", "auto", "--overlays", "x"], 2, "A cluster writes the table only."),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    environment: dict[str, str],
    images: Path,
    tmp_path: Path,
    options: list[str],
    status: int,
    sentence: str,
) -> None:
    found, said = _run(environment, images, "--out", tmp_path / "out.jsonl", *options)
    assert found == status
    assert sentence in said
