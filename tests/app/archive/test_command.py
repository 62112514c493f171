"""The command `pneumoscope archive` as a process of its own: killed, stopped, and out of room."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from tests import synthetic, tiny
from tests.app.dicom_results import given
from tests.app.pacs.network import wait_until

COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()", "archive"]
IMAGES = 150


class Archive:
    """A folder of images, and what a command makes of it."""

    def __init__(self, root: Path, model_root: Path) -> None:
        self.root, self.images = root, root / "images"
        self.images.mkdir()
        self.out, self.overlays = root / "out.jsonl", root / "overlays"
        self.environment = os.environ | {
            "PNEUMOSCOPE_MODEL_STORE": str(model_root),
            "PNEUMOSCOPE_ENGINE": "openvino",
        }

    def put(self, name: str, content: bytes) -> None:
        path = self.images / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def start(self, *options: object, **how: Any) -> subprocess.Popen[str]:
        arguments = [str(self.images), "--out", str(self.out), *map(str, options)]
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **how,
        )

    def run(self, *options: object, **how: Any) -> tuple[int, str]:
        """The exit status, and what is said on standard error."""
        with self.start(*options, **how) as process:
            _, said = process.communicate(timeout=240)
        return process.returncode, said

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The table, by the files' paths from the folder on."""
        rows = [json.loads(line) for line in self.out.read_text("utf-8").splitlines()]
        return {os.path.relpath(row.pop("path"), self.images): row for row in rows}


@pytest.fixture
def archive(tmp_path: Path, model_root: Path) -> Archive:
    return Archive(tmp_path, model_root)


def _chest(seed: int, size: tuple[int, int] = (224, 224)) -> bytes:
    return synthetic.encode(synthetic.chest(seed, pneumonia=bool(seed % 2), size=size))


def _fill(archive: Archive, count: int = IMAGES) -> None:
    # To draw each anew takes longer than to read it.
    chests = [_chest(seed, (480, 560)) for seed in range(4)]
    for number in range(count):
        # Behind the end of a PNG there may be anything.
        archive.put(f"{number % 7}/{number}.png", chests[number % 4] + bytes([number]))


def _on_one_core() -> None:
    """Have it take some seconds on any machine."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])


def _without_seconds(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What does not depend on the moment: bfloat16 rounds a batch of another size otherwise."""
    kept = {}
    for path, row in rows.items():
        changing = ("seconds", "probability", "novelty", "lungs_share", "evidence_in_lungs")
        kept[path] = {name: value for name, value in row.items() if name not in changing}
    return kept


def test_killed_at_any_moment_it_goes_on_and_has_each_file_once(archive: Archive) -> None:
    _fill(archive)

    def written() -> int:
        return len(list(archive.overlays.glob("*.png")))

    journal = archive.out.with_name("out.jsonl.journal")

    def noted() -> int:
        return journal.stat().st_size if journal.exists() else 0

    options = ["--overlays", archive.overlays]
    moments: list[Callable[[], bool]] = [
        journal.exists,
        lambda: written() >= 10,
        # An empty one has 16 kB, and a row about 1 kB.
        lambda: noted() > 40_000,
        lambda: noted() > 80_000,
    ]
    for moment in moments:
        with archive.start(*options, preexec_fn=_on_one_core) as process:
            wait_until(moment, "the moment to kill")
            # The file grows while it is written, and what is half written is lost.
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL
        assert not archive.out.exists()
    status, said = archive.run(*options)

    assert status == 0, said
    known = re.search(r"(\d+) of them known before", said)
    assert known
    assert int(known.group(1)) >= 10
    found = archive.rows
    assert len(found) == IMAGES
    for path, row in found.items():
        digest = sha256((archive.images / path).read_bytes()).hexdigest()
        assert row["sha256"] == digest
        assert (archive.overlays / f"{digest}.png").is_file()
    assert sorted(path.name for path in archive.root.iterdir()) == [
        "images",
        "out.jsonl",
        "overlays",
    ]
    archive.out.rename(archive.root / "killed.jsonl")
    assert archive.run()[0] == 0
    assert _without_seconds(archive.rows) == _without_seconds(found)


def test_it_stops_when_asked_and_says_how_to_go_on(archive: Archive) -> None:
    _fill(archive)
    with archive.start("--overlays", archive.overlays) as process:
        wait_until(lambda: len(list(archive.overlays.glob("*.png"))) > 5, "it reads")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.splitlines()[-1] == (
        "pneumoscope: Stopped before the end; the same command goes on from here."
    )
    assert not archive.out.exists()
    assert archive.run("--overlays", archive.overlays)[0] == 0
    assert len(archive.rows) == IMAGES


def test_every_kind_of_file_has_its_row(archive: Archive) -> None:
    archive.put("a.png", _chest(1))
    archive.put("copy.png", _chest(1))
    archive.put("b.dcm", given.source_file())
    archive.put("notes.txt", b"hello")
    archive.put("broken.png", _chest(2)[:1000])
    archive.put("hand.png", synthetic.encode(synthetic.checkerboard()))
    archive.put("large.png", bytes(3_000_000))
    (archive.images / "link").symlink_to(archive.root / "none")
    os.mkfifo(archive.images / "pipe")
    archive.environment["PNEUMOSCOPE_MAX_UPLOAD_BYTES"] = "2000000"

    status, said = archive.run()

    assert status == 0, said
    rows = archive.rows
    problems = {path: row["problem"] for path, row in rows.items()}
    assert problems == {
        "a.png": None,
        "copy.png": None,
        "b.dcm": None,
        "notes.txt": "unsupported_format",
        "broken.png": "unreadable_image",
        "hand.png": "not_a_chest_xray",
        "large.png": "too_large",
        "link": "unreadable_file",
        "pipe": "unreadable_file",
    }
    assert rows["a.png"]["label"] == "PNEUMONIA"
    assert rows["copy.png"]["sha256"] == rows["a.png"]["sha256"]
    assert rows["large.png"]["sha256"] == sha256(bytes(3_000_000)).hexdigest()
    assert rows["b.dcm"]["sop_instance_uid"] == given.IMAGE
    assert "9 of 9 files" in said
    assert "1 not_a_chest_xray" in said


def test_results_in_dicom_are_those_of_the_image(archive: Archive) -> None:
    dicom = archive.root / "dicom"
    archive.put("frontal.dcm", given.source_file())
    archive.put("lateral.dcm", given.source_file(SOPInstanceUID="1.2.9", ViewPosition="LL"))
    archive.put("nameless.dcm", given.source_file(StudyInstanceUID=None))
    archive.put("a.png", _chest(1))

    status, said = archive.run("--dicom", dicom)

    assert status == 0, said
    rows = archive.rows
    assert rows["lateral.dcm"]["warnings"] == ["lateral_view", "low_resolution"]
    assert rows["nameless.dcm"]["problem"] == "incomplete_dicom"
    assert rows["nameless.dcm"]["label"] is not None
    stem = rows["frontal.dcm"]["sha256"]
    assert {path.name for path in dicom.iterdir()} == {f"{stem}-overlay.dcm", f"{stem}-report.dcm"}
    kinds = {dcmread(path).SOPClassUID for path in dicom.iterdir()}
    assert kinds == {SecondaryCaptureImageStorage, ComprehensiveSRStorage}
    for path in dicom.iterdir():
        assert dcmread(path).StudyInstanceUID == given.STUDY


def test_results_within_the_archive_are_not_read(archive: Archive) -> None:
    archive.put("a.png", _chest(1))
    archive.out = archive.images / "out.jsonl"
    overlays = archive.images / "overlays"
    assert archive.run("--overlays", overlays)[0] == 0
    assert list(archive.rows) == ["a.png"]
    assert len(list(overlays.iterdir())) == 1


def test_too_many_failures_in_a_row_end_it_and_lose_nothing(archive: Archive) -> None:
    for number in range(40):
        archive.put(f"{number}.png", _chest(2)[: 1000 + number])

    status, said = archive.run("--max-failures", 10)

    assert status == 1
    assert re.search(
        r"pneumoscope: 10 files in a row could not be read, the last one for unreadable_image; "
        r"the same command goes on behind them\.$",
        said.strip(),
    )
    assert archive.run("--max-failures", 100)[0] == 0
    assert len(archive.rows) == 40


def test_a_table_that_is_there_is_not_written_over(archive: Archive) -> None:
    archive.put("a.png", _chest(1))
    archive.out.write_text("before")
    status, said = archive.run()
    assert (status, archive.out.read_text()) == (1, "before")
    assert (
        said == f"pneumoscope: {archive.out} is there already: remove it, or give another --out.\n"
    )


def test_another_model_does_not_go_on_with_the_rows_of_one(archive: Archive) -> None:
    _fill(archive)
    with archive.start("--overlays", archive.overlays) as process:
        wait_until(lambda: len(list(archive.overlays.glob("*.png"))) > 5, "it reads")
        process.kill()
    store = archive.root / "store"
    tiny.install(store)
    manifest = store / "pneumonia" / "1" / "model.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    archive.environment["PNEUMOSCOPE_MODEL_STORE"] = str(store)

    status, said = archive.run("--overlays", archive.overlays)

    assert status == 1
    assert "was begun with another model: remove it to begin anew" in said


def _allow_small_files_only() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_disk_that_is_full_is_one_sentence_and_what_was_read_stays(archive: Archive) -> None:
    _fill(archive)
    status, said = archive.run(preexec_fn=_allow_small_files_only)
    assert status == 1
    assert said.splitlines()[-1].startswith(f"pneumoscope: {archive.out}.journal cannot be used")
    assert "Traceback" not in said
    assert archive.run()[0] == 0
    assert len(archive.rows) == IMAGES


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--out", "out.xlsx"], 1, "ends in none of .parquet, .csv, .jsonl"),
        (["--overlays", "/dev/null/overlays"], 1, "/dev/null/overlays cannot be made"),
        (["--out", "/dev/null/out.csv"], 1, "/dev/null cannot be made"),
        (["--out", "s3://xrays/out.csv"], 1, "the table is written on this machine: give a path"),
        (["s3://xrays/2019"], 2, "A URI needs --ray."),
        (["/nowhere"], 2, "/nowhere cannot be read: No such file or directory."),
        (["--max-failures", "0"], 2, "--max-failures"),
    ],
)
def test_a_command_that_cannot_be_is_told(
    archive: Archive, options: list[str], status: int, said: str
) -> None:
    found, told = archive.run(*options, cwd=archive.root)
    assert found == status
    assert said in told
    assert "Traceback" not in told


def test_no_more_memory_is_taken_for_more_files(archive: Archive) -> None:
    peaks = []
    for count in (20, 20 * 50):
        small = [_chest(seed) for seed in range(2)]
        for number in range(count):
            archive.put(f"{count}/{number}.png", small[number % 2] + number.to_bytes(2))
        archive.out = archive.root / f"{count}.csv"
        with archive.start() as process:
            process.communicate(timeout=240)
            assert process.returncode == 0
        peaks.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    few, many = peaks
    # In kB; the largest child so far, so the second one is the larger of both.
    assert many - few < 20_000
