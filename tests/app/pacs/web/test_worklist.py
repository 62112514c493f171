"""What a performer asks of a worklist; the manager is a strict stub."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset

from app.errors import DeniedError, FailedError, RefusedError, UnreachableError
from app.pacs.web.claims import Claims
from app.pacs.web.workitem import CLAIMED, LISTED
from app.pacs.web.worklist import CANCELED, COMPLETED, IN_PROGRESS, SCHEDULED, Worklist
from tests.app.pacs.ups_stub import UpsStub, code
from tests.app.pacs.web.test_workitem import listed, result, told

STATION = "AI 1/2"


@pytest.fixture
def stub(credentials: None) -> Iterator[UpsStub]:
    with UpsStub().listening() as stub:
        yield stub


@pytest.fixture
def worklist(stub: UpsStub, tmp_path: Path) -> Worklist:
    return Worklist(f"{stub.url}/", STATION, Claims(tmp_path / "claims"))


@pytest.fixture
def other(stub: UpsStub, tmp_path: Path) -> Worklist:
    return Worklist(stub.url, STATION, Claims(tmp_path / "other claims"))


DONE = told(listed(), [], result("5.1", "6.1"))


def test_a_search_gives_what_matches_and_nothing_of_a_patient(
    stub: UpsStub, worklist: Worklist
) -> None:
    wanted = stub.schedule([], ScheduledWorkitemCodeSequence=[code("A")])
    stub.schedule([], ScheduledWorkitemCodeSequence=[code("B")])
    matching = {"ScheduledWorkitemCodeSequence.CodeValue": "A"}

    [found] = worklist.search(SCHEDULED, matching, LISTED)

    assert found.SOPInstanceUID == wanted
    assert found.ScheduledStationNameCodeSequence[0].CodeValue == "PNEUMOSCOPE"
    assert "PatientName" not in found
    assert worklist.search(IN_PROGRESS, matching, LISTED) == []


def test_all_pages_are_asked_for(stub: UpsStub, worklist: Worklist) -> None:
    uids = {stub.schedule([]) for _ in range(3)}

    found = worklist.search(SCHEDULED, {}, LISTED)

    assert {one.SOPInstanceUID for one in found} == uids


@pytest.mark.parametrize("in_path", [False, True])
def test_a_workitem_is_claimed_updated_and_completed(
    stub: UpsStub, worklist: Worklist, in_path: bool
) -> None:
    stub.requester_in_path = in_path
    uid = stub.schedule([])

    worklist.claim(uid)
    worklist.go_on(uid)
    contents = worklist.retrieve(uid, CLAIMED)
    worklist.end(uid, COMPLETED, DONE)

    assert stub.changes == [(uid, IN_PROGRESS), (uid, COMPLETED)]
    assert "TransactionUID" not in stub.workitems[uid].contents
    assert "PatientName" not in contents
    [performed] = stub.workitems[uid].contents.UnifiedProcedureStepPerformedProcedureSequence
    [output] = performed.OutputInformationSequence
    assert output.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "6.1"


def test_a_workitem_is_canceled(stub: UpsStub, worklist: Worklist) -> None:
    uid = stub.schedule([])
    worklist.claim(uid)

    worklist.end(uid, CANCELED, told(listed(), ["bad"]))

    assert stub.states() == [CANCELED]


@pytest.mark.parametrize("in_path", [False, True])
def test_one_of_two_gets_a_workitem(
    stub: UpsStub, worklist: Worklist, other: Worklist, in_path: bool
) -> None:
    stub.requester_in_path = in_path
    uid = stub.schedule([])
    worklist.claim(uid)

    for refused in (
        lambda: other.claim(uid),
        lambda: other.go_on(uid),
        lambda: other.end(uid, COMPLETED, DONE),
    ):
        with pytest.raises(RefusedError, match=r"^The worklist manager answered with status 4\d\d"):
            refused()
    worklist.go_on(uid)


def test_the_next_start_goes_on_with_a_claim(
    stub: UpsStub, worklist: Worklist, tmp_path: Path
) -> None:
    uid = stub.schedule([])
    worklist.claim(uid)
    (tmp_path / "copy").write_bytes((tmp_path / "claims").read_bytes())

    restarted = Worklist(stub.url, STATION, Claims(tmp_path / "copy"))
    restarted.go_on(uid)
    restarted.end(uid, COMPLETED, DONE)

    assert stub.states() == [COMPLETED]


def test_what_is_ended_or_gone_is_refused(stub: UpsStub, worklist: Worklist) -> None:
    uid = stub.schedule([])
    worklist.claim(uid)
    worklist.end(uid, COMPLETED, DONE)

    for name in (uid, "1.2.99"):
        with pytest.raises(RefusedError):
            worklist.claim(name)
        with pytest.raises(RefusedError):
            worklist.go_on(name)
    with pytest.raises(RefusedError):
        worklist.retrieve("1.2.99", CLAIMED)


def test_the_stub_completes_nothing_without_what_the_state_requires(
    stub: UpsStub, worklist: Worklist
) -> None:
    uid = stub.schedule([])
    worklist.claim(uid)

    for state in (COMPLETED, CANCELED):
        with pytest.raises(RefusedError):
            worklist.end(uid, state, Dataset())

    assert stub.states() == [IN_PROGRESS]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, DeniedError), (403, DeniedError), (503, UnreachableError), (500, FailedError)],
)
def test_what_speaks_of_the_manager_may_change(
    stub: UpsStub, worklist: Worklist, status: int, error: type[Exception]
) -> None:
    uid = stub.schedule([])
    stub.statuses = dict.fromkeys(("GET", "POST", "PUT"), status)

    for ask in (
        lambda: worklist.search(SCHEDULED, {}, LISTED),
        lambda: worklist.claim(uid),
        lambda: worklist.go_on(uid),
        lambda: worklist.retrieve(uid, CLAIMED),
    ):
        with pytest.raises(error, match=r"^The worklist manager"):
            ask()


def test_a_redirect_is_not_followed(stub: UpsStub, worklist: Worklist) -> None:
    stub.statuses = {"GET": 307, "PUT": 307}

    with pytest.raises(FailedError):
        worklist.search(SCHEDULED, {}, LISTED)
    with pytest.raises(FailedError):
        worklist.claim("1.2.3")
    assert not [path for _, path in stub.requests if path.endswith("elsewhere")]


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'["x"]', b'[{"00080018": 5}]', b"5"])
def test_an_answer_that_cannot_be_read(stub: UpsStub, worklist: Worklist, body: bytes) -> None:
    stub.body = body

    for ask in (
        lambda: worklist.search(SCHEDULED, {}, LISTED),
        lambda: worklist.retrieve("1.2.3", LISTED),
    ):
        with pytest.raises(UnreachableError, match=r"^The worklist manager gave no answer"):
            ask()


def test_nobody_answers(worklist: Worklist, stub: UpsStub, tmp_path: Path) -> None:
    away = Worklist(UpsStub().url, STATION, Claims(tmp_path / "away"))

    with pytest.raises(UnreachableError, match=r"^The worklist manager did not answer\.$"):
        away.claim("1.2.3")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http or https URL"):
        Worklist("pacs.example", STATION, Claims(tmp_path / "claims"))
