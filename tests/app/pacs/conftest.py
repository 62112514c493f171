"""A PACS, and radiographs for it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import certificates
from tests.app.pacs.orthanc import PASSWORD, USER, Orthanc


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of certificates, or the test is skipped."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An empty Orthanc that runs."""
    (tmp_path / "orthanc").mkdir()
    orthanc = Orthanc(tmp_path / "orthanc")
    try:
        orthanc.start()
        yield orthanc
    finally:
        orthanc.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orthanc's, in the environment; no proxy of it is asked."""
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_USERNAME", USER)
    monkeypatch.setenv("PNEUMOSCOPE_DICOMWEB_PASSWORD", PASSWORD)
    monkeypatch.setenv("NO_PROXY", "*")
