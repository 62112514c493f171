import asyncio
from hashlib import sha256
from pathlib import Path

import cv2
import pytest

from app.archive.outputs import Outputs
from app.errors import ArchiveError, IncompleteDicomError
from app.pacs.results import Results, results_of
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings
from tests.app.dicom_results import given


def _write(settings: Settings, outputs: Outputs, data: bytes) -> Results:
    """Write what is wanted of an image, and give what its study would get."""

    async def write() -> Results:
        reader = load_reader(settings, Metrics())
        async with reader.running():
            await outputs.write(reader, await reader.read(data), data)
            return await results_of(reader, data)

    outputs.prepare()
    return asyncio.run(write())


def test_results_are_those_that_a_pacs_gets(settings: Settings, tmp_path: Path) -> None:
    data = given.source_file()
    outputs = Outputs(tmp_path / "a" / "overlays", tmp_path / "dicom")

    results = _write(settings, outputs, data)

    name = sha256(data).hexdigest()
    assert (tmp_path / "dicom" / f"{name}-report.dcm").read_bytes() == results.files["report"]
    assert (tmp_path / "dicom" / f"{name}-overlay.dcm").read_bytes() == results.files["overlay"]
    picture = cv2.imread(str(tmp_path / "a" / "overlays" / f"{name}.png"))
    assert picture is not None
    assert picture.shape == (*given.PIXELS.shape, 3)
    assert len(list(tmp_path.rglob("*.*"))) == 3


def test_of_another_image_there_is_no_result_in_dicom(
    settings: Settings, tmp_path: Path, xray: bytes
) -> None:
    async def write() -> None:
        reader = load_reader(settings, Metrics())
        async with reader.running():
            for data in (xray, given.source_file(ViewPosition="LL")):
                await outputs.write(reader, await reader.read(data), data)
            nameless = given.source_file(StudyInstanceUID=None)
            with pytest.raises(IncompleteDicomError):
                await outputs.write(reader, await reader.read(nameless), nameless)

    outputs = Outputs(dicom=tmp_path / "dicom")
    outputs.prepare()
    asyncio.run(write())
    assert list((tmp_path / "dicom").iterdir()) == []


def test_a_disk_that_takes_nothing_is_told(settings: Settings, tmp_path: Path, xray: bytes) -> None:
    (tmp_path / f"{sha256(xray).hexdigest()}.png").mkdir()
    with pytest.raises(ArchiveError, match="cannot be written: Is a directory"):
        _write(settings, Outputs(overlays=tmp_path), xray)
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="cannot be made"):
        Outputs(dicom=tmp_path / "file").prepare()
