"""STOW-RS in: another's client sends, and a real Orthanc gets the results."""

import pytest
from dicomweb_client import DICOMwebClient

from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.dicom_results import given
from tests.app.pacs.orthanc import Orthanc


@pytest.mark.usefixtures("credentials")
def test_what_is_stored_gets_its_results_in_the_pacs(orthanc: Orthanc, settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"stow_destination": orthanc.url}))
    with serving(app) as service:
        wait_until_ready(service)
        client = DICOMwebClient(str(service.base_url.join("/dicom-web")))
        image = given.parse(given.source_file())

        for _ in range(2):
            told = client.store_instances([image], study_instance_uid=given.STUDY)

    [stored] = told.ReferencedSOPSequence
    assert stored.ReferencedSOPInstanceUID == given.IMAGE
    assert "FailedSOPSequence" not in told
    found = orthanc.rest.get("/instances").raise_for_status().json()
    files = [orthanc.rest.get(f"/instances/{one}/file").content for one in found]
    assert sorted(given.parse(file).Modality for file in files) == ["OT", "SR"]
