"""An image, its reading and its overlay, as the results get them; and programs that check these."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ComputedRadiographyImageStorage

from app.codes import Label
from app.imaging.decode import Radiograph
from app.reading.lungs import Box, Lungs
from app.reading.model import Model
from app.reading.reading import Reading
from app.reading.site_profile import SiteProfile
from tests import synthetic
from tests.answered import answers
from tests.app.imaging.dicom.dicoms import dicom
from tests.model_store.made import manifest

PIXELS = synthetic.chest(3, size=(96, 80))
PROBABILITY = float(np.float32(0.8765432))
OVERLAY = np.dstack([PIXELS, PIXELS // 2, PIXELS // 3])
STUDY, SERIES, IMAGE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
HEADER: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "StudyInstanceUID": STUDY,
    "SeriesInstanceUID": SERIES,
    "SOPInstanceUID": IMAGE,
    "PatientName": "Müller^Jörg",
    "PatientID": "4711",
    "PatientBirthDate": "19600229",
    "PatientSex": "M",
    "PatientAge": "066Y",
    "IssuerOfPatientID": "Hospital",
    "StudyDate": "20260301",
    "StudyTime": "101500",
    "StudyID": "S1",
    "StudyDescription": "Thorax für Kontrolle",
    "AccessionNumber": "A1",
    "ReferringPhysicianName": "Weiß^Ute",
    "AcquisitionDate": "20260301",
    "AcquisitionTime": "102030.5",
    "Manufacturer": "Maker",
    "PatientOrientation": ["L", "F"],
}
PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
)
DX: dict[str, Any] = {}
CR = {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR"}
# All that a result needs, and nothing else.
BARE = dict.fromkeys(HEADER) | {name: HEADER[name] for name in HEADER if name.endswith("UID")}
# Values that their attributes do not allow, of what does not identify the study.
WRONG: dict[str, Any] = {
    "PatientBirthDate": "20260231",
    "PatientSex": "male",
    "PatientAge": "67",
    "StudyDate": "1.3.2026",
    "StudyTime": "25 h",
    "AcquisitionDate": "yesterday",
    "AcquisitionTime": "noon",
    "PatientOrientation": ["L", "X"],
    "BurnedInAnnotation": "MAYBE",
    "LossyImageCompression": "02",
}


def model(profile: SiteProfile | None = None, **changes: Any) -> Model:
    """A model on a CPU, save for what is changed in its manifest."""
    return Model(manifest(**changes), "openvino", "CPU", profile)


def source_file(**elements: Any) -> bytes:
    """A file of a radiograph with HEADER, in which None leaves an element out."""
    return dicom(PIXELS, **(HEADER | elements))


def reading(**changes: Any) -> Reading:
    """A reading of it that finds pneumonia, save for what is changed."""
    fields: dict[str, Any] = {
        "model": model(),
        "lungs": Lungs(True, Box(0.1, 0.1, 0.9, 0.8)),
        "label": Label.PNEUMONIA,
        "finding": Label.PNEUMONIA,
        "prediction_set": [Label.PNEUMONIA],
        "warnings": [],
    }
    outputs = changes.pop("outputs", {})
    found = answers([changes.pop("probability", PROBABILITY)], **outputs)
    return Reading(Radiograph(PIXELS, 80, 96, "DICOM", ""), found, **(fields | changes))


def overlay(shade: int = 0) -> npt.NDArray[np.uint8]:
    """A picture, uint8 `[96, 80, 3]`."""
    return np.asarray(OVERLAY + np.uint8(shade), np.uint8)


def parse(data: bytes) -> Dataset:
    """A DICOM file's dataset."""
    return dcmread(BytesIO(data))


def checked(data: bytes, folder: Path, *command: str, package: str) -> str:
    """What a program says of a file, in lines; the test is skipped where there is no such program.

    Args:
        data: of the file.
        folder: where it is written.
        command: the program and its options.
        package: Debian's, that has the program.
    """
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed; Debian's package {package} has it")
    path = folder / "result.dcm"
    path.write_bytes(data)
    done = subprocess.run([*command, path], capture_output=True, check=False)
    # They print text in the file's character set.
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said


def assert_valid(data: bytes, folder: Path) -> None:
    """Fail where dciodvfy finds an error, or dcmdump cannot read the file."""
    said = checked(data, folder, "dciodvfy", package="dicom3tools")
    assert "Error" not in said
    dumped = checked(data, folder, "dcmdump", package="dcmtk")
    assert "(0020,000d) UI [1.2.3]" in dumped
