"""What the libraries say while a result is written, in a process that logs as the service does."""

import subprocess
import sys

from tests.app.inference.subprocesses import ROOT

CODE = """
import logging, sys, warnings
from app.host import process
process.prepare()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tests.app.dicom_results import given
    planted = dict(PatientName="Planted", PatientID="Planted" * 20, StudyDate="Planted")
    planted["IssuerOfPatientID"] = ["Planted\x07", "Planted"]
    file = given.source_file(**given.WRONG | planted)
logging.basicConfig(level=logging.INFO)
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from tests.model_store.made import manifest
source = read_source(file)
for write in structured_report, evidence_segmentation, lungs_segmentation:
    write(source, given.reading())
secondary_capture(source, given.reading(), given.overlay(), "normal")
assert source.PatientName == "Planted"
"""


def test_nothing_is_logged_or_warned_of() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
