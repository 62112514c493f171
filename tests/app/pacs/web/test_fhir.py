"""What is sent to a FHIR server, and how its answers are told; the server is a strict stub."""

import json
import logging
from collections.abc import Iterator

import pytest

from app.dicom_results.source import read_source
from app.errors import DeferredError, DeniedError, FailedError, RefusedError, UnreachableError
from app.fhir.report import transaction
from app.pacs.web.fhir import FhirDestination
from benchmarks.ports import free_port
from tests.app.dicom_results import given
from tests.app.pacs.fhir_stub import FhirStub
from tests.app.pacs.network import LOCALHOST

BUNDLE = json.dumps(transaction(read_source(given.source_file()), given.reading())).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FhirStub]:
    monkeypatch.setenv("NO_PROXY", "*")
    with FhirStub().listening() as stub:
        yield stub


def _store(server: FhirStub) -> bool:
    return FhirDestination(server.url).store([BUNDLE])


def test_a_reading_is_stored_once_however_often_it_is_sent(server: FhirStub) -> None:
    _store(server)
    first = dict(server.resources)
    _store(server)

    assert server.resources == first
    assert len(server.of_type("DiagnosticReport")) == len(server.of_type("Device")) == 1
    assert len(server.of_type("Observation")) == 2
    assert "Authorization" not in server.requests[0]


def test_a_token_is_shown(server: FhirStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_FHIR_TOKEN", "abc")

    _store(server)

    assert server.requests[0]["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("status", [400, 412, 413, 415, 422])
def test_what_speaks_of_the_resources_is_a_refusal(server: FhirStub, status: int) -> None:
    server.status = status

    with pytest.raises(RefusedError, match=rf"^The FHIR server answered with status {status}\.$"):
        _store(server)


@pytest.mark.parametrize("status", [404, 409, 500])
def test_what_does_not_may_change(server: FhirStub, status: int) -> None:
    server.status = status

    with pytest.raises(FailedError, match=rf"^The FHIR server answered with status {status}\.$"):
        _store(server)


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_server_that_is_away_gets_it_later(server: FhirStub, status: int) -> None:
    server.status = status

    with pytest.raises(UnreachableError, match=r"^The FHIR server is too busy") as away:
        _store(server)
    assert not isinstance(away.value, DeferredError)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_throw_no_result_aside(server: FhirStub, status: int) -> None:
    server.status = status

    with pytest.raises(DeniedError, match=r"^The FHIR server does not accept the credentials"):
        _store(server)


@pytest.mark.parametrize("status", [301, 307])
def test_nothing_follows_to_another_address(server: FhirStub, status: int) -> None:
    server.status = status

    with pytest.raises(FailedError):
        _store(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"{}", b"[]"])
def test_what_is_no_answer_of_a_fhir_server_is_none(server: FhirStub, body: bytes) -> None:
    server.body = body

    with pytest.raises(UnreachableError, match=r"^The FHIR server gave no answer"):
        _store(server)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")

    with pytest.raises(UnreachableError, match=r"^The FHIR server did not answer\.$"):
        FhirDestination(f"http://{LOCALHOST}:{free_port()}").store([BUNDLE])


@pytest.mark.parametrize(
    "url", ["fhir", "ftp://fhir", "http://", "https://me:secret@fhir", "https://fhir/?x=y"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(The address of a FHIR server|Credentials)") as wrong:
        FhirDestination(url)
    assert "secret" not in str(wrong.value)


def test_nothing_is_logged_or_quoted(server: FhirStub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pneumoscope")
    server.status = 422

    with pytest.raises(RefusedError) as refused:
        _store(server)

    said = caplog.text + str(refused.value)
    assert not [value for value in ("4711", "ller", given.STUDY, server.url) if value in said]
