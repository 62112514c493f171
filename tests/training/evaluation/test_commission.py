"""`python -m training commission`, from the archive's table to the report."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.archive import tables
from app.reading.site_profile import SiteProfile
from tests import pages, synthetic
from tests.training.site_rows import drawn, row, write
from training.cli import app
from training.data.labelled import LABELS
from training.evaluation import site


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "RESAMPLES", 200)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Answers to 120 images, with one that failed and one that nobody labelled."""
    rows, labels = drawn(120)
    failed = row(900, 0, label=None, lungs_found=None, problem="not_a_chest_xray")
    tables.write(tmp_path / "rows.csv", [*rows, failed, row(901, 0.2)])
    lines = [
        {"file": one.path, "label": label, "age": "50" if number % 2 else "5"}
        for number, (one, label) in enumerate(zip(rows, labels, strict=True))
    ]
    lines.append({"file": failed.path, "label": "NORMAL", "age": ""})
    write(tmp_path / "labels.csv", lines, ";")
    return tmp_path / "rows.csv"


def _run(table: Path, *options: str) -> tuple[int, str]:
    folder = table.parent
    given = [str(table), "--labels", str(folder / "labels.csv"), "--out", str(folder / "site")]
    result = CliRunner().invoke(app, ["commission", *given, *options])
    return result.exit_code, result.output


def test_it_writes_a_profile_and_one_page(table: Path) -> None:
    status, said = _run(table, "--sensitivity", "0.9", "--prevalence", "0.1")

    assert status == 0, said
    folder = table.parent / "site"
    profile = SiteProfile.model_validate_json((folder / "profile.json").read_bytes())
    assert (profile.images, profile.prevalence) == (120, 0.1)
    # With the one that nobody labelled.
    assert profile.reference
    assert sum(profile.reference["probability"].values()) == 121
    assert profile.reference["format"]["PNG"] == 121
    assert profile.reference.keys().isdisjoint({"view", "age_group"})
    page = (folder / "report.html").read_text()
    assert pages.read(page) == ([], [])
    for told in (
        "1 for <code>not_a_chest_xray</code>",
        "1 images that were read have no label",
        "60 (0.500) images are of adults, 60 (0.500) of children, 0 (0.000) of unknown age.",
        "<td>children</td>",
        "<td>adults</td>",
        "of 121 images, labelled or not",
        "not a medical device",
    ):
        assert told in page
    for secret in ("xray.png", "/data/"):
        assert secret not in page
        assert secret not in json.dumps(profile.model_dump(mode="json"))


def test_it_says_who_gave_the_labels(table: Path) -> None:
    rows = tables.read(table)[:120]
    tables.write(table, [replace(r, path=f"/nih/{n:08}_000.png") for n, r in enumerate(rows)])
    lines = [
        {"Image Index": f"{n:08}_000.png", "Finding Labels": finding, "Patient ID": str(n)}
        for n, finding in enumerate(["No Finding"] * 60 + ["Edema|Pneumonia"] * 60)
    ]
    write(table.parent / "labels.csv", lines)
    status, said = _run(table)
    assert status == 0, said
    page = (table.parent / "site" / "report.html").read_text()
    assert "The labels are from: mined from reports." in page
    assert "60 of them PNEUMONIA" in page


def test_few_images_are_told_how_many_more_it_takes(table: Path) -> None:
    status, _ = _run(table, "--sensitivity", "0.99")
    assert status == 0
    page = (table.parent / "site" / "report.html").read_text()
    assert "it takes 39 more images of PNEUMONIA" in page


def test_answers_of_two_models_are_not_measured_as_one(table: Path) -> None:
    tables.write(table, [*tables.read(table), row(902, 0.3, model_digest="e" * 64)])
    status, said = _run(table)
    assert status == 1
    assert "has the answers of 2 models; it needs one." in said


def test_answers_by_a_site_profile_are_not_measured(table: Path) -> None:
    rows = tables.read(table)
    tables.write(table, [replace(rows[0], profile_digest="a" * 64), *rows[1:]])
    status, said = _run(table)
    assert status == 1
    assert "read it again without PNEUMOSCOPE_PROFILE." in said


def test_a_folder_that_cannot_be_written_is_told(table: Path) -> None:
    status, said = _run(table, "--out", "/dev/null/site")
    assert status == 1
    assert said == "Error: /dev/null/site cannot be written: Not a directory.\n"


def test_another_file_is_told_in_one_sentence(table: Path) -> None:
    table.write_text("hello\n1\n")
    status, said = _run(table)
    assert status == 1
    assert "is no table of `pneumoscope archive`" in said


def test_one_command_takes_a_folder(model_root: Path, tmp_path: Path) -> None:
    images, labels, out = tmp_path / "images", tmp_path / "labels.csv", tmp_path / "site"
    images.mkdir()
    for seed in range(12):
        chest = synthetic.chest(seed, pneumonia=bool(seed % 2))
        (images / f"{seed}.png").write_bytes(synthetic.encode(chest))
    lines = [f"{seed}.png,{LABELS[seed % 2]}" for seed in range(12)]
    labels.write_text("\n".join(["file,label", *lines]))
    command = [sys.executable, "-c", "from app.cli import cli; cli()", "commission", str(images)]
    command += ["--labels", str(labels), "--out", str(out)]
    environment = os.environ | {
        "PNEUMOSCOPE_MODEL_STORE": str(model_root),
        # Which does not count here.
        "PNEUMOSCOPE_PROFILE": str(out / "profile.json"),
    }

    def commissioned() -> str:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        assert done.stdout == f"wrote {out}\n"
        return done.stderr

    assert "12 of 12 files" in commissioned()
    assert json.loads((out / "profile.json").read_text())["images"] == 12
    assert commissioned().startswith(f"going by {out / 'rows.jsonl'}; remove it")
