"""Each set, from its published layout to the figures of the `evaluate` command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training import tiny
from tests.training.datasets import copies
from training import datasets
from training.cli import app

pytestmark = pytest.mark.usefixtures("few_negatives")


def evaluate(name: str, folder: Path, model_root: Path) -> Any:
    """The command's result; its figures are written into `folder/out`."""
    arguments = ["evaluate", str(folder), "--dataset", name, "--out", str(folder / "out")]
    options = ["--model-store", str(model_root), "--engine", "openvino", "--explanations", "0"]
    return CliRunner().invoke(app, [*arguments, *options])


def broken(folder: Path, pattern: str) -> Path:
    """Truncate the first image that matches."""
    path = sorted(folder.rglob(pattern))[0]
    path.write_bytes(path.read_bytes()[:-1500])
    return path


def test_the_command_offers_every_dataset() -> None:
    help_text = CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "200"}).output
    assert "|".join(datasets.FINDERS) in help_text


@pytest.mark.parametrize(
    ("name", "copy", "pattern", "left"),
    [
        ("kermany", lambda folder: tiny.images(folder, 3), "*.png", (5, 5)),
        ("nih", copies.nih, "00000002_000.png", (4, 3)),
        ("rsna", copies.rsna, "*.dcm", (7, 7)),
    ],
)
def test_a_set_is_measured_without_its_broken_image(
    name: str,
    copy: Callable[[Path], Path],
    pattern: str,
    left: tuple[int, int],
    model_root: Path,
    tmp_path: Path,
) -> None:
    folder = copy(tmp_path / name)
    spoilt = broken(folder, pattern)
    result = evaluate(name, folder, model_root)
    assert result.exit_code == 0, result.output
    assert f"skipped {spoilt}" in result.stderr
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics["skipped"] == 1
    assert (metrics["n"], metrics["patients"]) == left
    assert (folder / "out" / "figures" / "gallery.png").exists()


@pytest.mark.parametrize("name", ["nih", "rsna"])
def test_a_folder_that_does_not_hold_the_set_is_refused_in_one_sentence(
    name: str, model_root: Path, tmp_path: Path
) -> None:
    result = evaluate(name, tmp_path, model_root)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no ")
    assert not (tmp_path / "out").exists()
