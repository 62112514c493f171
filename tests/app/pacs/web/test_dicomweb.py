"""What is asked of a PACS over DICOMweb, on a real socket, and how its answers are told."""

import json
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from app.errors import DeferredError, DeniedError, FailedError, RefusedError, UnreachableError
from app.pacs.web.archive import Archive
from app.pacs.web.dicomweb import StowDestination
from benchmarks.ports import free_port
from tests.app.dicom_results import given
from tests.app.http_stub import Quiet, answering
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.orthanc import Orthanc

FAILED, REASON, UID = "00081198", "00081197", "00081155"


class Service:
    """Answers every request as it is told, and keeps the Authorization headers."""

    def __init__(self) -> None:
        self.status, self.body, self.content_type = 200, b"{}", "application/dicom+json"
        self.authorizations: list[str | None] = []
        self.requests = 0
        # Answered first, one after the other.
        self.pages: list[bytes] = []

    def fail_with(self, *reasons: int, status: int) -> None:
        items = [
            {UID: {"vr": "UI", "Value": ["1.2"]}, REASON: {"vr": "US", "Value": [reason]}}
            for reason in reasons
        ]
        self.status, self.body = status, json.dumps({FAILED: {"vr": "SQ", "Value": items}}).encode()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def url(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.requests += 1
            service.authorizations.append(self.headers["Authorization"])
            if length := self.headers["Content-Length"]:
                self.rfile.read(int(length))
            body = service.pages.pop(0) if service.pages else service.body
            self.send_response(service.status)
            self.send_header("Content-Type", service.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

    with answering(Handler) as port:
        yield f"http://{LOCALHOST}:{port}/dicom-web/"


def _store(url: str) -> bool:
    return StowDestination(url).store([given.source_file()])


def test_nobody_asks_by_default(service: Service, url: str) -> None:
    _store(url)

    assert service.authorizations == [None]


def test_a_user_is_named(service: Service, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_USERNAME", "jörg")
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_PASSWORD", "päss€")

    _store(url)

    assert service.authorizations == ["Basic asO2cmc6cMOkc3Pigqw="]


def test_a_token_is_shown(service: Service, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_TOKEN", "abc")

    _store(url)

    assert service.authorizations == ["Bearer abc"]


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_what_speaks_of_the_object_is_a_refusal(service: Service, url: str, status: int) -> None:
    service.status = status

    with pytest.raises(RefusedError, match=rf"^The PACS answered with status {status}\.$"):
        _store(url)


@pytest.mark.parametrize("status", [404, 405, 408, 429, 500, 502, 503, 504])
def test_what_does_not_may_change(service: Service, url: str, status: int) -> None:
    service.status = status

    with pytest.raises(UnreachableError, match=str(status)):
        _store(url)

    assert service.requests == 1


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_throw_no_result_aside(service: Service, url: str, status: int) -> None:
    service.status = status

    with pytest.raises(DeniedError, match="does not accept the credentials"):
        _store(url)


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize("reason", [0x0111, 45070])
def test_a_duplicate_is_there(service: Service, url: str, status: int, reason: int) -> None:
    service.fail_with(reason, reason, status=status)

    assert _store(url)


def test_what_is_stored_was_not_there(service: Service, url: str) -> None:
    assert not _store(url)


def test_what_is_no_dicom_is_never_sent(service: Service, url: str) -> None:
    with pytest.raises(RefusedError, match="no DICOM file"):
        StowDestination(url).store([b"broken"])

    assert service.requests == 0


@pytest.mark.parametrize("parameters", ["", "; charset=utf-8"])
@pytest.mark.parametrize("status", [202, 409])
@pytest.mark.parametrize("reason", [0x0117, 0x0122, 0xA900, 0xC122])
def test_a_failure_for_good_is_a_refusal(
    service: Service, url: str, reason: int, status: int, parameters: str
) -> None:
    service.content_type += parameters
    service.fail_with(0x0111, reason, status=status)

    with pytest.raises(RefusedError, match=f"failure reason {reason:04X}"):
        _store(url)


@pytest.mark.parametrize("status", [202, 409])
@pytest.mark.parametrize("reason", [0xA700, 0x0110])
def test_a_failure_for_now_is_none(service: Service, url: str, reason: int, status: int) -> None:
    service.fail_with(reason, status=status)

    with pytest.raises(DeferredError, match=f"failure reason {reason:04X}"):
        _store(url)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")

    with pytest.raises(UnreachableError, match=r"^The PACS did not answer\.$"):
        _store(f"http://{LOCALHOST}:{free_port()}")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'[{"0020000D": 1}]'])
def test_an_answer_that_is_no_dicom(service: Service, url: str, body: bytes) -> None:
    service.body = body

    with pytest.raises(UnreachableError):
        Archive(url).studies(date.today(), ["CR"])


def test_a_pacs_that_knows_no_offset_is_asked_twice(service: Service, url: str) -> None:
    service.body = b'[{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]'

    assert Archive(url).studies(date.today(), ["CR"]) == {"1.2": None}
    assert service.requests == 2


def test_pages_that_repeat_things_give_each_once(service: Service, url: str) -> None:
    def page(*studies: str, instances: int) -> bytes:
        items = [
            {
                "0020000D": {"vr": "UI", "Value": [study]},
                "00201208": {"vr": "IS", "Value": [instances]},
            }
            for study in studies
        ]
        return json.dumps(items).encode()

    service.pages = [
        page("1.1", "1.2", instances=1),
        page("1.2", "1.3", "1.3", instances=2),
        page("1.3", "1.1", instances=3),
    ]

    assert Archive(url).studies(date.today(), ["CR"]) == {"1.1": 1, "1.2": 1, "1.3": 2}
    assert service.requests == 3


@pytest.mark.parametrize(
    "url", ["pacs", "ftp://pacs", "http://", "http://user:secret@pacs", "http://pacs/?a=b"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as raised:
        StowDestination(url)

    assert "secret" not in str(raised.value)


def test_nothing_is_logged(
    service: Service,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_TOKEN", "secret")
    service.fail_with(0xA700, status=202)

    with caplog.at_level(logging.DEBUG), pytest.raises(UnreachableError):
        _store(url)

    assert not caplog.records


@pytest.mark.usefixtures("credentials")
def test_orthanc_stores_twice_without_complaint(orthanc: Orthanc) -> None:
    file = given.source_file()

    for _ in range(2):
        StowDestination(orthanc.url).store([file])

    assert orthanc.files() == [file]


@pytest.mark.usefixtures("credentials")
def test_orthanc_finds_studies_by_day_and_modality(orthanc: Orthanc) -> None:
    day = date(2026, 3, 1)
    orthanc.upload(given.source_file(StudyDate=f"{day:%Y%m%d}"))
    archive = Archive(orthanc.url)

    assert archive.studies(day, ["CR", "DX"]) == {given.STUDY: 1}
    assert archive.studies(day, ["CR"]) == {}
    assert archive.studies(day + timedelta(1), ["DX"]) == {}


@pytest.mark.usefixtures("credentials")
def test_orthanc_does_not_know_us(orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_PASSWORD", "wrong")

    with pytest.raises(DeniedError):
        _store(orthanc.url)

    assert orthanc.count() == 0


@pytest.mark.usefixtures("credentials")
def test_orthanc_has_no_such_service(orthanc: Orthanc) -> None:
    with pytest.raises(FailedError):
        _store(orthanc.url + "/elsewhere")
