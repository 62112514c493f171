"""The command `pneumoscope read` as a process of its own, beside an Orthanc."""

import asyncio
import json
import shutil
import signal
from contextlib import closing
from pathlib import Path

import pytest
from pydicom.uid import RLELossless, generate_uid
from typer.testing import CliRunner

from app.audit.record import Record
from app.audit.verify import verify
from app.cli import cli
from app.pacs.results import Selection
from app.pacs.web.command import Pacs, read_study
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings
from benchmarks.ports import free_port
from model_store.store import use
from tests.app.dicom_results import given
from tests.app.full_disk import full_disk
from tests.app.pacs.network import LOCALHOST, wait_until
from tests.app.pacs.orthanc import Orthanc, probability_of
from tests.app.pacs.web.process import SECONDS, ended, radiograph, running
from tests.app.reading.versions import release


def test_a_study_is_read_once(orthanc: Orthanc, environment: dict[str, str]) -> None:
    study = generate_uid()
    of_study = {"StudyInstanceUID": study}
    compressed, broken = generate_uid(), generate_uid()
    orthanc.upload(radiograph(1, **of_study))
    orthanc.upload(radiograph(2, syntax=RLELossless, SOPInstanceUID=compressed, **of_study))
    orthanc.upload(radiograph(3, ViewPosition="LL", **of_study))
    orthanc.upload(radiograph(4, BitsStored=40, SOPInstanceUID=broken, **of_study))
    orthanc.upload(radiograph(5, Modality="MR", **of_study))
    orthanc.upload(radiograph(7, PixelData=bytes(480 * 560), **of_study))
    orthanc.upload(radiograph(6))

    first = ended(environment, orthanc.url, "--study", study)
    stored = sorted(orthanc.files())
    second = ended(environment, orthanc.url, "--study", study)

    assert first.returncode == 1
    lines = first.stdout.splitlines()
    assert len(lines) == 5
    assert [line for line in lines if line.startswith(f"{broken} The DICOM image does not have")]
    assert [line for line in lines if line.endswith(" not read: lateral_view")]
    assert [line for line in lines if line.endswith(" not read: not_a_chest_xray")]
    assert len([line for line in lines if line.endswith(", results stored")]) == 2
    reports = orthanc.datasets("SR")
    assert len(reports) == len(orthanc.datasets("OT")) == 2
    assert {report.StudyInstanceUID for report in reports} == {study}
    for report in reports:
        evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
        image = evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        label, probability, *_ = next(line for line in lines if image in line).split()[1:]
        assert f"{probability_of(report):.4f}," == probability
        assert label in ("NORMAL", "PNEUMONIA")
    assert "results stored" not in second.stdout
    assert sorted(orthanc.files()) == stored
    assert "Müller" not in first.stdout + first.stderr
    assert "Traceback" not in first.stderr


def test_a_study_is_read_again_where_that_is_asked_for(
    orthanc: Orthanc, environment: dict[str, str]
) -> None:
    study = generate_uid()
    orthanc.upload(radiograph(1, StudyInstanceUID=study))
    first = ended(environment, orthanc.url, "--study", study)
    orthanc.upload(radiograph(2, StudyInstanceUID=study))
    again = ended(environment, orthanc.url, "--study", study, "--again")
    nothing = ended(environment, orthanc.url, "--study", study)

    assert (first.returncode, again.returncode) == (0, 0)
    assert again.stdout.count("results stored") == 2
    assert nothing.stdout == "Nothing is left to read in the study.\n"
    assert len(orthanc.datasets("SR")) == len(orthanc.datasets("OT")) == 3


def test_what_is_read_is_recorded(
    orthanc: Orthanc, environment: dict[str, str], tmp_path: Path
) -> None:
    study, image, audit = generate_uid(), generate_uid(), tmp_path / "audit"
    asked = ("--study", study, "--audit", str(audit))
    orthanc.upload(radiograph(1, StudyInstanceUID=study, SOPInstanceUID=image))
    orthanc.upload(radiograph(7, PixelData=bytes(480 * 560), StudyInstanceUID=study))
    with closing(Record(audit)):
        refused = ended(environment, orthanc.url, *asked)
    read = ended(environment, orthanc.url, *asked)
    (file,) = audit.glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    answered, problem = sorted(lines, key=lambda line: "problem" in line)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Another process writes into --audit." in refused.stderr
    assert read.returncode == 0
    assert answered["answer"]["label"] in read.stdout
    assert answered["request"] is answered["caller"] is None
    assert problem["problem"] == "not_a_chest_xray"
    assert verify(audit).lines == 2
    assert not [value for value in ("4711", study, image) if value in file.read_text()]


def test_an_image_that_cannot_be_recorded_gets_no_result(
    orthanc: Orthanc,
    environment: dict[str, str],
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = generate_uid()
    orthanc.upload(radiograph(1, StudyInstanceUID=study))
    for name in ("USERNAME", "PASSWORD"):
        variable = f"PNEUMOSCOPE_DICOMWEB_{name}"
        monkeypatch.setenv(variable, environment[variable])
    with closing(Record(tmp_path)) as record:
        pacs = Pacs(orthanc.url, None, Selection(record=record))
        reader = load_reader(settings, Metrics())
        with full_disk(50):
            status = asyncio.run(read_study(reader, pacs, study, again=False))

    assert status == 1
    assert "cannot record the reading" in capsys.readouterr().out
    assert not orthanc.datasets("SR")


def test_segmentations_are_stored_where_they_are_asked_for(
    orthanc: Orthanc, environment: dict[str, str]
) -> None:
    study = generate_uid()
    orthanc.upload(radiograph(1, StudyInstanceUID=study))
    asked = environment | {"PNEUMOSCOPE_NODE_RESULTS": "evidence,lungs,report"}
    read = ended(asked, orthanc.url, "--study", study)

    assert read.stdout.endswith(", results stored\n")
    labels = [dataset.ContentLabel for dataset in orthanc.datasets("SEG")]
    assert sorted(labels) == ["EVIDENCE", "LUNGS"]
    assert len(orthanc.datasets("SR")) == 1
    assert orthanc.datasets("OT") == []


def test_results_without_the_report_are_refused() -> None:
    options = ["read", "--dicomweb", "http://pacs.example", "--study", "1.2", "--results", "lungs"]
    done = CliRunner().invoke(cli, options)

    assert done.exit_code == 2
    assert "Results are of evidence, lungs, overlay, report" in done.output


def test_a_rule_leaves_an_image_out(
    orthanc: Orthanc, environment: dict[str, str], tmp_path: Path
) -> None:
    study, left_out = generate_uid(), generate_uid()
    orthanc.upload(radiograph(1, StudyInstanceUID=study))
    image = {"StudyInstanceUID": study, "SOPInstanceUID": left_out}
    orthanc.upload(radiograph(2, StationName="ICU-7", **image))
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "intensive care"\nread = false\nstation = "ICU*"\n')

    named = environment | {"PNEUMOSCOPE_NODE_RULES": str(rules)}
    done = ended(named, orthanc.url, "--study", study)

    assert done.returncode == 0
    assert f"{left_out} not read: not_selected, by the rule 'intensive care'\n" in done.stdout
    assert done.stdout.count("results stored") == len(orthanc.datasets("SR")) == 1


def test_a_study_with_nothing_left_to_read(orthanc: Orthanc, environment: dict[str, str]) -> None:
    orthanc.upload(given.source_file(Manufacturer="pneumoscope"))

    done = ended(environment, orthanc.url, "--study", given.STUDY)

    assert (done.returncode, done.stdout) == (0, "Nothing is left to read in the study.\n")


def test_polling_finds_what_is_stored_later(
    orthanc: Orthanc, environment: dict[str, str], tmp_path: Path
) -> None:
    orthanc.upload(radiograph(1))
    orthanc.upload(radiograph(2, ViewPosition="LL"))
    orthanc.upload(radiograph(3, StudyDate="20200101"))
    with running(environment, tmp_path / "log", orthanc.url, "--poll", "1") as process:
        wait_until(lambda: len(orthanc.datasets("SR")) == 1, "the first is read", SECONDS)
        orthanc.upload(radiograph(4, Modality="CR"))
        wait_until(lambda: len(orthanc.datasets("SR")) == 2, "the second is read", SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    said = (tmp_path / "log").read_text()
    assert said.count(" stored: ") == 2
    assert said.count("not_for_the_model: not read: lateral_view") == 1
    assert "Traceback" not in said
    assert len(orthanc.datasets("OT")) == 2
    assert orthanc.count() == 8


def test_another_version_takes_over_and_reads_again(
    orthanc: Orthanc, environment: dict[str, str], model_root: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(model_root, store)
    release(store, 2, threshold=0.5)
    use(store, "pneumonia", 1)
    orthanc.upload(radiograph(1))
    # Nobody sees what a shadow finds.
    changed = {"PNEUMOSCOPE_MODEL_STORE": str(store), "PNEUMOSCOPE_SHADOW": "newest"}
    with running(environment | changed, tmp_path / "log", orthanc.url, "--poll", "1") as process:
        wait_until(lambda: len(orthanc.datasets("SR")) == 1, "it is read", SECONDS)
        use(store, "pneumonia", 2)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(orthanc.datasets("SR")) == 2, "it is read again", SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    said = (tmp_path / "log").read_text()
    assert "pneumonia 2 answers in place of 1." in said
    assert "in the background" not in said
    names = [str(report.ManufacturerModelName) for report in orthanc.datasets("SR")]
    assert sorted(names) == ["pneumonia 1", "pneumonia 2"]


def test_polling_waits_for_the_pacs(environment: dict[str, str], tmp_path: Path) -> None:
    url = f"http://{LOCALHOST}:{free_port()}"
    with running(environment, tmp_path / "log", url, "--poll", "1") as process:
        said = (tmp_path / "log").read_text
        wait_until(lambda: said().count("The PACS did not answer.\n") == 2, "retries", SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0

    assert "Traceback" not in said()


@pytest.mark.parametrize(
    ("changes", "study", "sentence"),
    [
        ({}, "1.2.99", "pneumoscope: The PACS has no such study.\n"),
        ({}, "x/y", "pneumoscope: --study: this is no UID.\n"),
        (
            {"PNEUMOSCOPE_DICOMWEB_PASSWORD": "wrong"},
            "1.2.3",
            "pneumoscope: The PACS does not accept the credentials (status 401).\n",
        ),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    orthanc: Orthanc,
    environment: dict[str, str],
    changes: dict[str, str],
    study: str,
    sentence: str,
) -> None:
    done = ended(environment | changes, orthanc.url, "--study", study)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


def test_nobody_answers(environment: dict[str, str]) -> None:
    done = ended(environment, f"http://{LOCALHOST}:{free_port()}", "--study", "1.2.3")

    assert (done.returncode, done.stderr) == (1, "pneumoscope: The PACS did not answer.\n")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--study", "1.2.3", "--poll", "1"],
        ["--study", "1", "--since", "2026-01-01"],
        ["--poll", "1", "--worklist", "http://tasks"],
        ["--poll", "1", "--claims", "claims"],
        ["--poll", "1", "--workitem", "CXR"],
        ["--worklist", "http://tasks", "--claims", "claims"],
        ["--study", "1", "--worklist", "http://tasks", "--claims", "claims"],
    ],
)
def test_options_that_do_not_fit(options: list[str]) -> None:
    done = CliRunner().invoke(cli, ["read", "--dicomweb", "http://pacs", *options])

    assert done.exit_code == 1
    assert done.output == (
        "pneumoscope: give either --study, or --poll and perhaps --since, "
        "or --poll, --worklist and --claims.\n"
    )


@pytest.mark.parametrize("station", ["", "A" * 17, "CT 1", "A\\B", "Köln"])
def test_a_station_that_is_none(environment: dict[str, str], station: str, tmp_path: Path) -> None:
    claims = str(tmp_path / "claims")
    tasks = ["--worklist", "http://tasks", "--claims", claims, "--station", station]
    done = CliRunner(env=environment).invoke(
        cli, ["read", "--dicomweb", "http://pacs", "--poll", "1", *tasks]
    )

    assert done.exit_code == 1
    assert "pneumoscope: --station: 1 to 16 characters of ASCII" in done.output
