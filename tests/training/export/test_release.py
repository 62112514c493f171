"""A version of the model store: whole, calibrated, described, and never overwritten."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from app.inference.contract import Answers
from app.inference.load import load
from app.inference.openvino_graph import GRAPH, WEIGHTS
from app.reading import drift
from model_store.store import ModelVersion, resolve, sha256, versions
from tests.training import tiny
from tests.training.conftest import ORIGIN
from training.data import labelled
from training.data.datasets import find_all
from training.evaluation import explanations
from training.evaluation.answers import infer
from training.export import openvino_ir, release, served
from training.export.release import ExportError
from training.fit import curves, fine_tuning, lung_training, model

Parts = dict[str, labelled.Images]


@pytest.fixture
def add(
    trained: release.Trained, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Add a version of the tiny networks to a folder, without its card, which takes seconds."""
    monkeypatch.setattr(release, "describe", lambda version, parts, origin: None)
    return lambda folder, version=None: release.add_version(trained, parts, ORIGIN, folder, version)


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()
    }


def test_the_manifest_names_every_other_file_with_its_digest(tiny_model: ModelVersion) -> None:
    files = content(tiny_model.path)
    del files["model.json"]
    assert tiny_model.manifest.files == files
    assert "variables/variables.index" in files
    assert {GRAPH, WEIGHTS} <= files.keys()
    assert {"MODEL_CARD.md", "MODEL_CARD.html", "metrics.json", "figures/roc.png"} <= files.keys()


def test_the_manifest_tells_where_the_model_comes_from(
    tiny_model: ModelVersion, parts: Parts
) -> None:
    manifest = tiny_model.manifest
    assert (manifest.name, manifest.version) == ("pneumonia", 1)
    assert manifest.provenance.images == {name: len(part) for name, part in parts.items()}
    assert (manifest.calibration.images, manifest.calibration.patients) == (40, 40)
    assert 0 < manifest.provenance.float16_error < 0.01


def test_the_manifest_tells_how_the_held_out_images_are_distributed(
    tiny_model: ModelVersion, parts: Parts
) -> None:
    reference = tiny_model.manifest.reference
    assert reference
    assert reference.keys() == drift.EDGES.keys()
    held_out = len(parts[labelled.VALIDATION]) + len(parts[labelled.CALIBRATION])
    (images,) = {sum(counts.values()) for counts in reference.values()}
    # Those on which lungs are found.
    assert 0.75 * held_out < images <= held_out


def test_a_graph_whose_answers_are_off_is_left_out(
    add: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(release, "_GRAPH_TOLERANCE", -1.0)
    add(tmp_path / "pneumonia")
    version = resolve(tmp_path)
    assert "left out OpenVINO's graph" in capsys.readouterr().err
    assert not list(version.path.glob("openvino.*"))
    assert GRAPH not in version.manifest.files
    assert load(version, "openvino").name == "openvino"


def test_no_more_of_a_graph_is_in_8_bits_than_leaves_its_answers_what_they_are(
    add: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = openvino_ir.write

    def recorded(folder: Path, images: Any, largest: int) -> bool:
        written.append(largest)
        return write(folder, images, largest)

    # Of the SavedModel, and of two graphs.
    errors = iter([0.0, 1.0, 0.0])
    monkeypatch.setattr(release, "_error", lambda *_: next(errors))
    monkeypatch.setattr(openvino_ir, "write", recorded)
    add(tmp_path / "pneumonia")
    assert written == list(openvino_ir.SIDES[:2])
    assert GRAPH in resolve(tmp_path).manifest.files


def test_versions_count_on(add: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "pneumonia" / "7").mkdir(parents=True)
    assert add(tmp_path / "pneumonia") == tmp_path / "pneumonia" / "8"
    assert resolve(tmp_path).manifest.version == 8
    assert resolve(tmp_path).path.stat().st_mode & 0o777 == 0o755


def test_an_existing_version_is_refused_and_left_untouched(
    add: Callable[..., Path], model_root: Path
) -> None:
    folder = model_root / "pneumonia"
    before = content(folder)
    with pytest.raises(ExportError, match="never overwritten"):
        add(folder, 1)
    assert content(folder) == before


def test_a_version_that_another_export_wrote_meanwhile_is_left_untouched(tmp_path: Path) -> None:
    ours = release.new_version(tmp_path, 1)
    (ours.__enter__() / "file").write_text("ours")
    with release.new_version(tmp_path, 1) as theirs:
        (theirs / "file").write_text("theirs")
    with pytest.raises(ExportError, match="never overwritten"):
        ours.__exit__(None, None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "file").read_text() == "theirs"


def test_a_failed_export_leaves_nothing_and_the_next_one_works(
    add: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(release, "digests", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            add(tmp_path / "pneumonia")
    assert list((tmp_path / "pneumonia").iterdir()) == []
    add(tmp_path / "pneumonia")
    assert resolve(tmp_path).manifest.version == 1


def test_an_export_killed_midway_leaves_no_version(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, pathlib; from training.export.release import new_version\n"
        "with new_version(pathlib.Path(sys.argv[1]), 1) as path:\n"
        "    (path / 'saved_model.pb').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "pneumonia")],
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert versions(tmp_path) == []
    with release.new_version(tmp_path / "pneumonia", 1) as path:
        (path / "saved_model.pb").write_text("whole")
    assert versions(tmp_path) == [1]
    assert (tmp_path / "pneumonia" / "1" / "saved_model.pb").read_text() == "whole"


@pytest.mark.parametrize("factor", [0.0, np.nan])
def test_a_written_model_that_disagrees_with_the_trained_one_is_refused(
    factor: float, add: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = served._call

    def wrong(*arguments: Any) -> tf.Tensor:
        return original(*arguments) * factor

    with monkeypatch.context() as patch:
        # The calibration is fitted to answers that are still right.
        def answer(*arguments: Any) -> Answers:
            right = infer(*arguments)
            patch.setattr(served, "_call", wrong)
            return right

        patch.setattr(release, "infer", answer)
        with pytest.raises(ExportError, match="off the trained one"):
            add(tmp_path / "pneumonia")
    assert versions(tmp_path) == []


def test_an_unfinished_fit_is_not_exported(tmp_path: Path) -> None:
    fine_tuning._claim(tmp_path / "run", tiny.config(tmp_path))
    with pytest.raises(fine_tuning.RunError, match="has not finished"):
        release.export(tmp_path / "run", tmp_path / "store" / "pneumonia")
    assert not (tmp_path / "store").exists()


@pytest.mark.usefixtures("few_negatives")
def test_a_finished_fit_becomes_the_next_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "build", tiny.build)
    monkeypatch.setattr(lung_training, "load", tiny.finder)
    # A network that has learnt nothing answers all images alike, which cannot be explained.
    monkeypatch.setattr(explanations, "IMAGES", 0)
    chests = tiny.images(tmp_path / "chests" / "train", patients=20).parent
    lungs_run = tmp_path / "lungs"
    lungs_run.mkdir()
    (lungs_run / "command.txt").write_text("python -m training lungs\n")
    dice = {"validation": {"images": 7, "mean": 0.951, "median": 0.96, "lowest_percent": 0.87}}
    (lungs_run / lung_training.METRICS).write_text(json.dumps(dice))
    config = tiny.config(chests, lungs=str(lungs_run), epochs=2, seed=4)
    fine_tuning.fit(config, tmp_path / "run")
    assert (tmp_path / "run" / curves.FILE_NAME).exists()
    release.export(tmp_path / "run", tmp_path / "store" / "chests", about="## Drawn chests")
    manifest = resolve(tmp_path / "store", "chests").manifest
    assert (manifest.name, manifest.version) == ("chests", 1)
    assert (manifest.provenance.backbone, manifest.provenance.seed) == ("Tiny", 4)
    first, second = manifest.provenance.command.splitlines()
    assert first == "python -m training lungs"
    assert second.startswith("python -m training")
    assert sum(manifest.provenance.images.values()) == 40
    version = tmp_path / "store" / "chests" / "1"
    card = (version / "MODEL_CARD.md").read_text()
    assert "## Drawn chests" in card
    assert "| validation | 7 | 0.951 | 0.960 | 0.870 |" in card
    assert f"    {first}\n    {second}" in card
    assert json.loads((version / "metrics.json").read_text())["lungs"] == dice


@pytest.mark.usefixtures("few_negatives")
def test_doubtful_labels_decide_nothing_of_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Parts] = []
    monkeypatch.setattr(release, "add_version", lambda _, parts, *rest: given.append(parts))
    monkeypatch.setattr(lung_training, "load", tiny.finder)
    monkeypatch.setattr(lung_training, "measured", lambda run: {})
    monkeypatch.setattr(model, "build", tiny.build)
    chests = tiny.images(tmp_path / "chests" / "train", patients=20).parent
    found = find_all([f"kermany={chests}"])
    doubtful = [replace(s, weight=0.3) if i % 3 == 0 else s for i, s in enumerate(found)]
    monkeypatch.setattr(release, "find_all", lambda specs: doubtful)
    run, lungs_run = tmp_path / "run", tmp_path / "lungs"
    fine_tuning._claim(run, tiny.config(chests, lungs=str(lungs_run)))
    tiny.build().classifier.save_weights(run / "final.weights.h5")
    lungs_run.mkdir()
    (lungs_run / "command.txt").write_text("python -m training lungs\n")
    release.export(run, tmp_path / "store" / "chests")
    (parts,) = given
    held_out = [*parts[labelled.VALIDATION].samples, *parts[labelled.CALIBRATION].samples]
    assert {sample.weight for sample in held_out} == {1.0}
    assert {sample.weight for sample in parts[labelled.TRAIN].samples} == {0.3, 1.0}
