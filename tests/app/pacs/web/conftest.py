"""Where `pneumoscope read` finds its model, and how it signs its requests."""

import os
from pathlib import Path

import pytest

from tests.app.pacs.orthanc import PASSWORD, USER


@pytest.fixture
def environment(model_root: Path) -> dict[str, str]:
    return os.environ | {
        "NO_PROXY": "*",
        "PNEUMOSCOPE_ENGINE": "openvino",
        "PNEUMOSCOPE_MODEL_STORE": str(model_root),
        "PNEUMOSCOPE_DICOMWEB_USERNAME": USER,
        "PNEUMOSCOPE_DICOMWEB_PASSWORD": PASSWORD,
    }
