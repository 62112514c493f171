"""Results, to a PACS and back."""

from pathlib import Path

import pytest

from app.dicom_results import kinds
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.pacs.node.settings import StorageAddress
from app.pacs.results import Results
from app.pacs.storage_scu import StorageDestination
from app.pacs.web.dicomweb import StowDestination
from tests.app.dicom_results import given
from tests.app.dicom_results.test_regions import BOX, cam
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.orthanc import Orthanc


@pytest.fixture(scope="module")
def results() -> Results:
    """One of each kind, with a region in the report."""
    source, reading = read_source(given.source_file()), given.reading(outputs=cam(BOX))
    files = {
        kinds.EVIDENCE: evidence_segmentation(source, reading),
        kinds.LUNGS: lungs_segmentation(source, reading),
        kinds.OVERLAY: secondary_capture(source, reading, given.overlay(), "pneumonia"),
        kinds.REPORT: structured_report(source, reading),
    }
    return Results(files, reading.label, reading.probability, given.IMAGE)


@pytest.mark.usefixtures("credentials")
def test_orthanc_gives_back_what_it_got(orthanc: Orthanc, results: Results, tmp_path: Path) -> None:
    apart = results.apart("another file")
    address = StorageAddress("ORTHANC", LOCALHOST, orthanc.port)
    StorageDestination("PNEUMOSCOPE", address).store(list(results.files.values()))
    StowDestination(orthanc.url).store(list(apart.files.values()))

    held = {dataset.SOPInstanceUID: dataset for dataset in map(given.parse, orthanc.files())}
    sent = [given.parse(file) for one in (results, apart) for file in one.files.values()]
    assert len(held) == len(sent) == 2 * len(kinds.KINDS)
    assert all(held[dataset.SOPInstanceUID] == dataset for dataset in sent)
    assert orthanc.get("/patients?expand")[0]["MainDicomTags"]["PatientID"] == "4711"
    assert len(orthanc.get("/studies")) == 1
    assert len(orthanc.get("/series")) == len(kinds.KINDS)
    for file in orthanc.files():
        given.assert_valid(file, tmp_path)
