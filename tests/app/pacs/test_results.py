"""Results, to a PACS and back."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from app.audit.record import Record
from app.dicom_results import kinds
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.errors import NotReadError
from app.pacs.node.settings import StorageAddress
from app.pacs.results import EVERYTHING, Results, results_of
from app.pacs.storage_scu import StorageDestination
from app.pacs.web.dicomweb import StowDestination
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.reading.served import Served
from app.settings import Settings
from tests.answered import SIDE
from tests.app.conftest import Scripted
from tests.app.dicom_results import given
from tests.app.dicom_results.test_regions import BOX, cam
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.orthanc import Orthanc


def test_an_image_is_of_one_model_whichever_takes_over(
    scripted: Scripted, settings: Settings, tmp_path: Path
) -> None:
    scripted.outputs = {"lungs": np.zeros((SIDE, SIDE))}
    reader = load_reader(settings, Metrics())
    other = Served(reader.model.manifest.model_copy(update={"version": 2}), Scripted())

    async def run() -> Results:
        record = Record(tmp_path)
        selection = EVERYTHING._replace(record=record)
        async with reader.running():
            await reader.ready()
            scripted.go.clear()
            inferred = scripted.inferred
            begun = asyncio.create_task(results_of(reader, given.source_file(), selection))
            while scripted.inferred == inferred:
                await asyncio.sleep(0.001)
            changing = asyncio.create_task(reader.change_to(other))
            while reader.model.version == 1:
                await asyncio.sleep(0.001)
            later = await results_of(reader, given.source_file(), selection)
            assert not changing.done()
            scripted.go.set()
            with pytest.raises(NotReadError):
                await begun
            await changing
            record.close()
        return later

    later = asyncio.run(asyncio.wait_for(run(), 60))

    names = {given.parse(file).ManufacturerModelName for file in later.files.values()}
    assert names == {"pneumonia 2"}
    [file] = tmp_path.glob("*.jsonl")
    answered, refused = (json.loads(line) for line in file.read_text().splitlines())
    assert ("answer" in answered, answered["model"]["version"]) == (True, 2)
    assert (refused["problem"], refused["model"]["version"]) == ("not_a_chest_xray", 1)


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
