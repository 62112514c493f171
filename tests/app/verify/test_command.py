"""`pneumoscope verify`, from the files to the exit status, with the tiny model."""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.archive import tables
from app.archive.read import read
from app.archive.row import Row, empty
from app.cli import cli
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.http.schemas import prediction
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.reading.reading import Reading
from app.settings import Settings
from model_store.manifest import FILE_NAME, Manifest
from tests.app.dicom_results.given import source_file
from tests.app.reading import profiles

IMAGE = source_file()
KINDS = ("answer.json", "rows.csv", "report.dcm")
LINES = ["image", "model", "profile", "probability", "label", "prediction"]
Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.dcm"
    path.write_bytes(IMAGE)
    return path


@pytest.fixture
def verify(model_root: Path, image: Path) -> Verify:
    """Run the command: its exit status, and what it says."""

    def run(report: Path, of: Path = image, **settings: object) -> tuple[int, str]:
        given = {"model_store": model_root, "engine": "openvino"} | settings
        names = {f"PNEUMOSCOPE_{name.upper()}": str(value) for name, value in given.items()}
        result = CliRunner().invoke(cli, ["verify", str(report), str(of)], env=names)
        return result.exit_code, result.output

    return run


def answered(settings: Settings) -> tuple[Row, Reading]:
    """The image, read by the very parts that serve."""
    reader = load_reader(settings, Metrics())

    async def once() -> tuple[Row, Reading | None]:
        async with reader.running():
            return await read(reader, empty("image.dcm", reader.model), IMAGE)

    row, reading = asyncio.run(once())
    assert reading
    return replace(row, sha256=reading.radiograph.sha256), reading


@pytest.fixture(scope="module")
def once(model_root: Path) -> tuple[Row, Reading]:
    return answered(Settings(model_store=model_root, engine="openvino"))


def write(folder: Path, kind: str, row: Row, reading: Reading) -> Path:
    """Write the report of a kind, on what the reading says."""
    path = folder / kind
    if kind == "answer.json":
        path.write_text(prediction(reading).model_dump_json())
    elif kind == "rows.csv":
        tables.write(path, [row.answered(reading)])
    else:
        path.write_bytes(structured_report(read_source(IMAGE), reading))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_holds(
    kind: str, verify: Verify, once: tuple[Row, Reading], tmp_path: Path
) -> None:
    status, said = verify(write(tmp_path, kind, *once))
    assert status == 0, said
    assert [line.split()[0] for line in said.splitlines()] == LINES
    assert said.count(" holds ") == len(LINES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_probability_does_not(
    kind: str, verify: Verify, once: tuple[Row, Reading], tmp_path: Path
) -> None:
    row, reading = once
    was = reading.answers.probability
    changed = np.where(was < 0.5, was + 0.05, was - 0.05)
    forged = replace(reading, answers=replace(reading.answers, probability=changed))
    status, said = verify(write(tmp_path, kind, row, forged))
    assert status == 1
    claimed = f"claimed {forged.probability:.6f}, found {reading.probability:.6f}"
    assert f"probability    DIFFERS  {claimed}" in said


@pytest.mark.parametrize("kind", ["answer.json", "report.dcm"])
def test_it_is_of_no_other_image(
    kind: str, verify: Verify, once: tuple[Row, Reading], tmp_path: Path
) -> None:
    other = tmp_path / "other.dcm"
    other.write_bytes(source_file(SOPInstanceUID="1.9.9"))
    status, said = verify(write(tmp_path, kind, *once), other)
    assert status == 1
    assert "image          DIFFERS" in said
    assert [line.split()[0] for line in said.splitlines()] == LINES[:3]


def test_a_table_without_the_image_says_nothing_of_it(
    verify: Verify, once: tuple[Row, Reading], tmp_path: Path
) -> None:
    other = tmp_path / "other.dcm"
    other.write_bytes(source_file(SOPInstanceUID="1.9.9"))
    status, said = verify(write(tmp_path, "rows.csv", *once), other)
    assert (status, said.count("\n")) == (2, 1)
    assert "has no row of the image." in said


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_by_no_other_model(
    kind: str, verify: Verify, once: tuple[Row, Reading], model_root: Path, tmp_path: Path
) -> None:
    store = shutil.copytree(model_root, tmp_path / "store")
    manifest = store / "pneumonia" / "1" / FILE_NAME
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    status, said = verify(write(tmp_path, kind, *once), model_store=store)
    assert status == 1
    found = Manifest.model_validate_json(manifest.read_bytes()).digest
    assert f"model          DIFFERS  claimed {once[0].model_digest}, found {found}" in said


@pytest.mark.parametrize("kind", KINDS)
def test_the_site_profile_must_be_there(
    kind: str, verify: Verify, once: tuple[Row, Reading], model_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "profile.json"
    profile = profiles.write(path, once[1].model.manifest, prevalence=0.02)
    settings = Settings(model_store=model_root, engine="openvino", profile=path)
    report = write(tmp_path, kind, *answered(settings))

    status, said = verify(report, profile=path)
    assert status == 0, said
    status, said = verify(report)
    assert status == 1
    assert f"profile        DIFFERS  claimed {profile.digest}, found none" in said


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"profile": "/nowhere"}, "The site profile /nowhere cannot be read"),
        ({"model_version": 9}, "has no version 9"),
        ({"engine": "torch"}, ""),
    ],
)
def test_what_cannot_be_checked_is_no_refutation(
    settings: dict[str, object],
    sentence: str,
    verify: Verify,
    once: tuple[Row, Reading],
    tmp_path: Path,
) -> None:
    status, said = verify(write(tmp_path, "answer.json", *once), **settings)
    assert status == 2
    assert sentence in said


def test_an_image_that_cannot_be_read_is_neither(
    verify: Verify, once: tuple[Row, Reading], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"hello")
    report = write(tmp_path, "answer.json", *once)
    answer = json.loads(report.read_text())
    answer["input"]["sha256"] = (
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of the bytes
    )
    report.write_text(json.dumps(answer))
    status, said = verify(report, broken)
    assert status == 2
    assert "broken.dcm cannot be read" in said
