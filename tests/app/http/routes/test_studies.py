"""`POST /dicom-web/studies`, with a destination that is told how to fail."""

import logging
from collections.abc import Iterator, Sequence

import httpx
import pytest
from pydicom import Dataset

from app.errors import RefusedError, UnreachableError
from app.http.routes import studies
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.dicom_results import given

TYPE = 'multipart/related; type="application/dicom"; boundary=x'
JSON = "application/dicom+json"
STUDIES = "/dicom-web/studies"


class Destination:
    """Keeps what it gets, or raises what it is told."""

    files: list[bytes]
    error: Exception | None

    def __init__(self, url: str) -> None:
        assert url == "http://pacs.example/dicom-web"

    def store(self, files: Sequence[bytes]) -> bool:
        if Destination.error:
            raise Destination.error
        Destination.files += files
        return False


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[httpx.Client]:
    changes = {"stow_destination": "http://pacs.example/dicom-web"}
    with serving(create_app(settings.model_copy(update=changes))) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture
def pacs(monkeypatch: pytest.MonkeyPatch) -> type[Destination]:
    Destination.files, Destination.error = [], None
    monkeypatch.setattr(studies, "StowDestination", Destination)
    return Destination


def body(*files: bytes) -> bytes:
    head = b"--x\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + file + b"\r\n" for file in files) + b"--x--\r\n"


def stow(
    client: httpx.Client, *files: bytes, path: str = STUDIES, **headers: str
) -> tuple[int, Dataset]:
    """The status, and what the answer says of the instances."""
    sent = {"Content-Type": TYPE, "Accept": JSON} | headers
    answer = client.post(path, content=body(*files), headers=sent)
    assert answer.headers["content-type"] == JSON
    return answer.status_code, Dataset.from_json(answer.json())


def failures(told: Dataset) -> list[tuple[str | None, int]]:
    return [
        (item.get("ReferencedSOPInstanceUID"), item.FailureReason)
        for item in told.get("FailedSOPSequence", [])
    ]


def taken(told: Dataset) -> list[str]:
    return [item.ReferencedSOPInstanceUID for item in told.get("ReferencedSOPSequence", [])]


def test_results_of_each_image_go_to_the_destination(
    service: httpx.Client, pacs: type[Destination]
) -> None:
    other = given.source_file(SOPInstanceUID="1.2.9")

    status, told = stow(service, given.source_file(), other, path=f"{STUDIES}/{given.STUDY}")

    assert status == httpx.codes.OK
    assert taken(told) == [given.IMAGE, "1.2.9"]
    assert not failures(told)
    series = [given.parse(file).Modality for file in pacs.files]
    assert sorted(series) == ["OT", "OT", "SR", "SR"]


def test_what_fails_is_told_with_a_reason(service: httpx.Client, pacs: type[Destination]) -> None:
    broken = given.source_file(SOPInstanceUID="1.2.8")[:-5000]

    status, told = stow(service, given.source_file(), b"no DICOM", broken)

    assert status == httpx.codes.ACCEPTED
    assert taken(told) == [given.IMAGE]
    assert failures(told) == [(None, 0xC000), ("1.2.8", 0xC000)]


def test_an_image_of_another_study_is_not_taken(
    service: httpx.Client, pacs: type[Destination]
) -> None:
    status, told = stow(service, given.source_file(), path=f"{STUDIES}/1.2.77")

    assert status == httpx.codes.CONFLICT
    assert failures(told) == [(given.IMAGE, 0xA900)]
    assert not pacs.files


def test_an_image_that_the_model_is_not_for_is_taken_and_has_no_results(
    service: httpx.Client, pacs: type[Destination]
) -> None:
    status, told = stow(service, given.source_file(ViewPosition="LL"))

    assert (status, taken(told)) == (httpx.codes.OK, [given.IMAGE])
    assert not pacs.files


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RefusedError("never"), 0x0110), (UnreachableError("away"), 0xA700)],
)
def test_results_that_do_not_arrive_are_a_failure(
    service: httpx.Client, pacs: type[Destination], error: Exception, reason: int
) -> None:
    pacs.error = error

    status, told = stow(service, given.source_file())

    assert status == httpx.codes.CONFLICT
    assert failures(told) == [(given.IMAGE, reason)]


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({"Content-Type": "application/dicom"}, body(b"x"), 415, "unsupported_content_type"),
        ({"Content-Type": TYPE.replace("dicom", "json")}, b"", 415, "unsupported_content_type"),
        ({}, b"no part", 400, "malformed_form"),
        ({}, b"--x--\r\n", 400, "no_file"),
        ({"Accept": "application/dicom+xml"}, body(b"x"), 406, "not_acceptable"),
        ({}, body(bytes(2**21)), 413, "too_large"),
    ],
)
def test_a_request_that_is_none_is_a_problem(
    service: httpx.Client,
    pacs: type[Destination],
    headers: dict[str, str],
    content: bytes,
    status: int,
    code: str,
) -> None:
    sent = {"Content-Type": TYPE, "Accept": JSON} | headers

    answer = service.post(STUDIES, content=content, headers=sent)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_nothing_of_the_patient_is_logged_or_answered(
    service: httpx.Client, pacs: type[Destination], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pneumoscope")
    broken = given.source_file(SOPInstanceUID="1.2.8")[:-5000]

    _, told = stow(service, given.source_file(), broken, path=f"{STUDIES}/{given.STUDY}")

    said = caplog.text + told.to_json()
    assert not [value for value in ("4711", "ller") if value in said]
    assert given.STUDY not in caplog.text


def test_without_a_destination_there_is_no_such_service(client: httpx.Client) -> None:
    answer = client.post(STUDIES, content=body(b"x"), headers={"Content-Type": TYPE})

    assert answer.status_code == httpx.codes.NOT_FOUND
