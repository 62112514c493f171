"""`pneumoscope read --worklist` as a process of its own, beside an Orthanc.

The manager of the worklist is a strict stub: none can be had that is real.
"""

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from tests.app.dicom_results import given
from tests.app.pacs.network import wait_until
from tests.app.pacs.orthanc import PASSWORD, USER, Orthanc
from tests.app.pacs.ups_stub import UpsStub, code, images
from tests.app.pacs.web.process import SECONDS, ended, radiograph, running

# A UID, of whatever.
_UID = re.compile(r"\d+(\.\d+){4,}")


@pytest.fixture
def stub() -> Iterator[UpsStub]:
    with UpsStub().listening() as stub:
        yield stub


class Performers:
    """Processes that perform what the stub schedules, with a log for each."""

    def __init__(
        self, stub: UpsStub, orthanc: Orthanc, environment: dict[str, str], folder: Path
    ) -> None:
        self.stub, self.orthanc, self._environment = stub, orthanc, environment
        self._folder = folder

    @contextmanager
    def running(self, name: str) -> "Iterator[subprocess.Popen[bytes]]":
        """Perform while the block runs, with the file of claims of a name."""
        with running(self._environment, self.log(name), *self.options(name)) as process:
            yield process

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def options(self, name: str) -> list[str]:
        claims = str(self._folder / f"{name}.claims")
        polled = [self.orthanc.url, "--poll", "1"]
        return [*polled, "--worklist", self.stub.url, "--claims", claims]


@pytest.fixture
def performers(
    stub: UpsStub, orthanc: Orthanc, environment: dict[str, str], tmp_path: Path
) -> Performers:
    return Performers(stub, orthanc, environment, tmp_path)


def _uploaded(orthanc: Orthanc, seed: int, **elements: object) -> Dataset:
    file = radiograph(seed, **elements)
    orthanc.upload(file)
    return given.parse(file)


def _ended(stub: UpsStub) -> bool:
    return set(stub.states()) <= {"COMPLETED", "CANCELED"}


def test_workitems_are_done_and_nothing_of_a_patient_is_logged(
    stub: UpsStub, orthanc: Orthanc, performers: Performers
) -> None:
    study = {"StudyInstanceUID": generate_uid()}
    frontal = _uploaded(orthanc, 1, **study)
    lateral = _uploaded(orthanc, 2, **study, ViewPosition="LL")
    broken = _uploaded(orthanc, 4, BitsStored=40)
    absent = given.parse(radiograph(5))
    whole_study = Dataset()
    whole_study.StudyInstanceUID = _uploaded(orthanc, 3).StudyInstanceUID

    done = stub.schedule(images(frontal, lateral))
    of_a_study = stub.schedule([whole_study])
    for_others = stub.schedule(
        images(frontal), ScheduledStationNameCodeSequence=[code("WORKSTATION")]
    )
    reasons = {
        stub.schedule(images(lateral)): "110522",
        stub.schedule(images(frontal, broken)): "110521",
        stub.schedule(images(frontal, absent)): "110523",
    }
    with performers.running("a") as process:
        wait_until(lambda: stub.states().count("SCHEDULED") == 1, "claims", SECONDS)
        wait_until(lambda: "IN PROGRESS" not in stub.states(), "all end", SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    assert stub.workitems[for_others].state == "SCHEDULED"
    assert {stub.workitems[uid].state for uid in (done, of_a_study)} == {"COMPLETED"}
    for uid, reason in reasons.items():
        assert stub.workitems[uid].state == "CANCELED"
        [progress] = stub.workitems[uid].contents.ProcedureStepProgressInformationSequence
        [told] = progress.ProcedureStepDiscontinuationReasonCodeSequence
        assert told.CodeValue == reason
    # Of the frontal image, which three workitems have, there is one report.
    assert len(orthanc.datasets("SR")) == len(orthanc.datasets("OT")) == 2
    _assert_outputs_are_there(stub, orthanc, done, str(frontal.SOPInstanceUID))

    said = performers.log("a").read_text()
    assert said.count("workitem completed\n") == 2
    assert said.count("workitem canceled: ") == 3
    assert "Traceback" not in said
    for quoted in ("Müller", "Jörg", "4711", "19600229", "Hospital", PASSWORD):
        assert quoted not in said
    assert not _UID.search(said)


def _assert_outputs_are_there(stub: UpsStub, orthanc: Orthanc, workitem: str, image: str) -> None:
    contents = stub.workitems[workitem].contents
    [performed] = contents.UnifiedProcedureStepPerformedProcedureSequence
    assert performed.PerformedStationNameCodeSequence == contents.ScheduledStationNameCodeSequence
    assert performed.PerformedWorkitemCodeSequence == contents.ScheduledWorkitemCodeSequence
    outputs = performed.OutputInformationSequence
    named = {
        one.ReferencedSOPInstanceUID for output in outputs for one in output.ReferencedSOPSequence
    }
    stored = [*orthanc.datasets("SR"), *orthanc.datasets("OT")]
    assert named < {one.SOPInstanceUID for one in stored}
    [report] = [one for one in orthanc.datasets("SR") if one.SOPInstanceUID in named]
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image
    for output in outputs:
        [place] = output.WADORSRetrievalSequence
        url = f"{place.RetrieveURL}/metadata"
        answer = httpx.get(url, auth=(USER, PASSWORD), trust_env=False, timeout=60)
        [held] = answer.raise_for_status().json()
        [reference] = output.ReferencedSOPSequence
        assert held["00080018"]["Value"] == [reference.ReferencedSOPInstanceUID]


def test_what_a_kill_left_between_storing_and_completing_is_finished(
    stub: UpsStub, orthanc: Orthanc, performers: Performers
) -> None:
    uid = stub.schedule(images(_uploaded(orthanc, 1), _uploaded(orthanc, 2)))
    # The manager goes away once the workitem is claimed, so that it is not told what is stored.
    stub.statuses = {"POST": 503}
    with performers.running("a") as process:
        wait_until(lambda: ("POST", f"/worklist/rs/workitems/{uid}") in stub.requests, "", SECONDS)
        process.kill()
        process.wait()
    assert stub.states() == ["IN PROGRESS"]
    stored = sorted(orthanc.files())
    assert len(stored) == 2 + 2 * 2

    stub.statuses = {}
    with performers.running("a"):
        wait_until(lambda: stub.states() == ["COMPLETED"], "it is completed", SECONDS)

    assert stub.changes == [(uid, "IN PROGRESS"), (uid, "COMPLETED")]
    assert sorted(orthanc.files()) == stored
    [performed] = stub.workitems[uid].contents.UnifiedProcedureStepPerformedProcedureSequence
    named = [
        one.ReferencedSOPInstanceUID
        for output in performed.OutputInformationSequence
        for one in output.ReferencedSOPSequence
    ]
    assert len(named) == 4


def test_two_performers_of_one_station_share_the_work(
    stub: UpsStub, orthanc: Orthanc, performers: Performers
) -> None:
    for seed in range(6):
        stub.schedule(images(_uploaded(orthanc, seed)))
    with performers.running("a"), performers.running("b"):
        wait_until(lambda: _ended(stub), "all are done", SECONDS)

    assert Counter(stub.changes) == Counter(
        (uid, state) for uid in stub.workitems for state in ("IN PROGRESS", "COMPLETED")
    )
    assert len(orthanc.datasets("SR")) == 6
    said = performers.log("a").read_text() + performers.log("b").read_text()
    assert said.count(" stored: ") == 6
    assert "Traceback" not in said


def test_a_file_of_claims_that_another_process_holds(
    performers: Performers, stub: UpsStub, orthanc: Orthanc, environment: dict[str, str]
) -> None:
    stub.schedule(images(_uploaded(orthanc, 1)))
    with performers.running("a"):
        wait_until(lambda: _ended(stub), "the first runs", SECONDS)
        second = ended(environment, *performers.options("a"))

    assert second.returncode == 1
    assert second.stderr == "pneumoscope: --claims: another process holds the file.\n"
