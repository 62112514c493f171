"""A PACS, and radiographs for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.pacs.orthanc import PASSWORD, USER, Orthanc


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
