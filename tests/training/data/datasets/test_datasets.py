"""Each set, from its published layout to the figures of the `evaluate` command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training import tiny
from tests.training.data.datasets import copies
from training.cli import app
from training.data import datasets
from training.data.datasets import nih, rsna, tables
from training.data.labelled import DataError

TABLE = [
    {"file": f"{i}.png", "label": label} for i, label in enumerate(["NORMAL", "PNEUMONIA"] * 3)
]

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
        ("table", lambda folder: copies.table(folder, TABLE), "*.png", (5, 5)),
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


@pytest.mark.parametrize("name", ["nih", "rsna", "table"])
def test_a_folder_that_does_not_hold_the_set_is_refused_in_one_sentence(
    name: str, model_root: Path, tmp_path: Path
) -> None:
    result = evaluate(name, tmp_path, model_root)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no ")
    assert not (tmp_path / "out").exists()


def test_sets_for_training_are_found_together(tmp_path: Path) -> None:
    tiny.images(tmp_path / "chests" / "train", 1)
    copies.nih(tmp_path / "nih")
    (tmp_path / "nih" / nih.TEST_LIST).write_text("00000001_000.png\n")
    copies.rsna(tmp_path / "rsna")
    copies.table(tmp_path / "mine", TABLE[:2])
    folders = {"kermany": "chests", "nih": "nih", "rsna": "rsna", "table": "mine"}
    found = datasets.find_all(f"{name}={tmp_path / folder}" for name, folder in folders.items())
    by_source = {name: [s for s in found if s.source == name] for name in {s.source for s in found}}
    counts = {name: len(samples) for name, samples in by_source.items()}
    assert counts == {"kermany": 2, "nih": 4, "rsna": 7, "mine": 2}
    assert [sample.patient for sample in by_source["mine"]] == ["mine/0.png", "mine/1.png"]
    assert by_source["kermany"][0].patient == "kermany/IM-0000"
    assert {sample.weight for sample in by_source["nih"]} == {tables.MINED_WEIGHT}
    assert {s.weight for s in found if s.source != "nih"} == {1}


def test_a_patient_in_two_sets_of_chestxray14_is_one(tmp_path: Path) -> None:
    copies.nih(tmp_path / "nih")
    copies.rsna(tmp_path / "rsna")
    mapping = [
        {"subset_img_id": name, "img_id": f"0000000{1 + i}_000.png"}
        for i, name in enumerate(copies.RSNA_TARGETS)
    ]
    (tmp_path / "rsna" / rsna.MAPPING).write_text(json.dumps(mapping))
    row = {"file": "a.png", "label": "NORMAL", "patient": "NIH-00000001"}
    copies.table(tmp_path / "adult", [row, row | {"file": "b.png", "label": "PNEUMONIA"}])
    found = datasets.find_all(
        f"{n}={tmp_path / f}" for n, f in [("nih", "nih"), ("rsna", "rsna"), ("table", "adult")]
    )
    assert {s.source for s in found if s.patient == "NIH-00000001"} == {"nih", "rsna", "adult"}


@pytest.mark.parametrize("spec", ["nih", "nih=", "mimic=folder", "=folder", ""])
def test_what_names_no_set_and_folder_is_refused(spec: str) -> None:
    with pytest.raises(
        DataError, match="is not NAME=FOLDER, NAME one of kermany, nih, rsna, table"
    ):
        datasets.find_all([spec])


def test_a_folder_may_have_an_equals_sign() -> None:
    assert datasets.parse("table=a=b") == ("table", Path("a=b"))
