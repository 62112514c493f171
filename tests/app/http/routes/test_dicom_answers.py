"""`POST /predict` and `POST /explain` with `Accept: application/dicom`."""

import logging
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from tests.app.conftest import Scripted, serving, wait_until_ready
from tests.app.dicom_results.given import HEADER, PIXELS, STUDY, parse, source_file
from tests.app.inference.subprocesses import python

DICOM = "application/dicom"


@pytest.fixture
def service(app: FastAPI, scripted: Scripted) -> Iterator[httpx.Client]:
    """A ready service."""
    with serving(app) as client:
        wait_until_ready(client)
        yield client


def post(client: httpx.Client, path: str, file: bytes, accept: str = DICOM) -> httpx.Response:
    return client.post(path, files={"file": file}, headers={"Accept": accept})


def test_predict_answers_with_a_structured_report(service: httpx.Client) -> None:
    answer = post(service, "/predict", source_file())

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == DICOM
    assert "render;dur=" in answer.headers["server-timing"]
    report = parse(answer.content)
    assert report.SOPClassUID == ComprehensiveSRStorage
    assert (report.StudyInstanceUID, report.PatientID) == (STUDY, HEADER["PatientID"])


def test_predict_answers_in_fhir(service: httpx.Client) -> None:
    answer = post(service, "/predict", source_file(), "application/fhir+json")

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.json()["resourceType"] == "Bundle"


def test_an_image_without_a_study_has_no_answer_in_fhir(service: httpx.Client, xray: bytes) -> None:
    answer = post(service, "/predict", xray, "application/fhir+json")

    assert answer.status_code == httpx.codes.NOT_ACCEPTABLE


def test_explain_answers_with_a_secondary_capture(service: httpx.Client) -> None:
    answer = post(service, "/explain?target=normal", source_file())

    assert answer.headers["content-type"] == DICOM
    image = parse(answer.content)
    assert image.SOPClassUID == SecondaryCaptureImageStorage
    assert image.pixel_array.shape == (*PIXELS.shape, 3)
    assert "NORMAL" in image.DerivationDescription


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_reading_twice_gives_the_same_object(service: httpx.Client, path: str) -> None:
    first, second = (post(service, path, source_file()) for _ in range(2))

    assert first.content == second.content


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json", f"{DICOM};q=0"])
def test_dicom_is_answered_only_when_it_is_asked_for(
    service: httpx.Client, path: str, accept: str
) -> None:
    accepted = accept if "q=0" not in accept else f"{accept}, */*;q=0.5"
    answer = post(service, path, source_file(), accepted)

    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_there_is_no_study_for_the_answer_to_another_image(
    service: httpx.Client, xray: bytes, path: str
) -> None:
    answer = post(service, path, xray)

    assert answer.status_code == httpx.codes.NOT_ACCEPTABLE
    assert answer.json()["code"] == "not_acceptable"
    assert "study" in answer.json()["detail"]
    other = post(service, path, xray, f"{DICOM}, application/json;q=0.5")
    assert other.headers["content-type"] == "application/json"


def test_predict_answers_with_nothing_else(service: httpx.Client, xray: bytes) -> None:
    assert post(service, "/predict", xray, "image/png").status_code == httpx.codes.NOT_ACCEPTABLE


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_an_image_of_no_study_is_a_problem_that_names_no_patient(
    service: httpx.Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = post(service, path, source_file(StudyInstanceUID=None, PatientName="Planted^X"))
        post(service, path, source_file(PatientName="Planted^X"))

    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert answer.json()["code"] == "incomplete_dicom"
    assert "Planted" not in answer.text
    assert "Planted" not in service.get("/metrics").text
    assert "Planted" not in caplog.text


def test_is_described(service: httpx.Client) -> None:
    paths = service.get("/openapi.json").json()["paths"]

    for path in ("/predict", "/explain"):
        assert DICOM in paths[path]["post"]["responses"]["200"]["content"]
        assert "406" in paths[path]["post"]["responses"]


def test_highdicom_is_not_imported_at_the_start() -> None:
    assert python("import sys, app.main; print('highdicom' in sys.modules)") == "False\n"


def test_pydicom_is_not_imported_at_the_start() -> None:
    assert python("import sys, app.main; print('pydicom' in sys.modules)") == "False\n"
