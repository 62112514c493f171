"""Nothing that people do with the project asks a network, or writes into their home.

Only a network of its own shows it, without what tells programs that they run in somebody's CI.
"""

import ast
import sys
from pathlib import Path

import pytest

from tests import sealed

ROOT = Path(__file__).parents[1]
SCENARIOS = [
    ("serve", "openvino"),
    ("serve", "tensorflow"),
    ("dicom_node",),
    ("read",),
    ("archive",),
    ("signed",),
    ("fit",),
    ("evaluate", "openvino"),
    ("evaluate", "tensorflow"),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids="-".join)
def test_nothing_is_asked_and_nothing_is_left(
    scenario: tuple[str, ...], model_root: Path, tmp_path: Path
) -> None:
    name, *rest = scenario
    if name == "signed":
        pytest.importorskip("model_signing", reason="pneumoscope[signing] is not installed")
    (tmp_path / "work").mkdir()
    arguments = [name, str(model_root), str(tmp_path / "work"), *rest]

    seen = sealed.run(tmp_path, sys.executable, "-m", "tests.scenarios", *arguments)

    assert seen.status == 0, seen.said
    assert (seen.names, seen.addresses, seen.files) == ([], [], [])


def test_a_question_and_a_packet_would_be_seen(tmp_path: Path) -> None:
    script = (
        "import socket, pathlib\n"
        "try: socket.getaddrinfo('www.example.com', 443)\n"
        "except OSError: pass\n"
        "try: socket.create_connection(('192.0.2.1', 443), 5)\n"
        "except OSError: pass\n"
        "(pathlib.Path.home() / 'left').touch()\n"
    )

    seen = sealed.run(tmp_path, sys.executable, "-c", script)

    assert "www.example.com" in seen.names
    assert set(seen.addresses) == {"192.0.2.1"}
    assert seen.files == ["left"]


def test_openvino_is_imported_in_one_place() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "benchmarks", "model_store", "tests", "training")
        for path in (ROOT / folder).rglob("*.py")
        if any(_names_openvino(node) for node in ast.walk(ast.parse(path.read_text())))
    }

    assert found == {"app/inference/silent_openvino.py"}


def _names_openvino(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(name.name.partition(".")[0] == "openvino" for name in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "openvino"
