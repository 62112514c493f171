"""What the tests share: a tiny model that keeps the contract, and directories of real images."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.host import process
from model_store.store import ModelVersion, resolve
from tests import tiny

process.prepare()
process.use_a_temporary_folder()
# Whichever test imports TensorFlow first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Those that make models, and those that hold the engines against models that are odd.
_NEED_TENSORFLOW = ["training", "app/inference/test_*.py"]
has_tensorflow = find_spec("tensorflow") is not None
collect_ignore_glob = [] if has_tensorflow else _NEED_TENSORFLOW


def pytest_report_header() -> str | None:
    """Say what is left out."""
    left_out = " and ".join(f"tests/{name}" for name in _NEED_TENSORFLOW)
    return None if has_tensorflow else f"without TensorFlow, {left_out} are left out"


@pytest.fixture(scope="session")
def model_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store that holds the tiny model as `pneumonia/1`."""
    root = tmp_path_factory.mktemp("model_store")
    tiny.install(root)
    return root


@pytest.fixture(scope="session")
def tiny_model(model_root: Path) -> ModelVersion:
    """The version in `model_root`."""
    return resolve(model_root)


def _directory(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} names no directory of real images")
    return Path(value)


@pytest.fixture(scope="session")
def chest_xray_dir() -> Path:
    """DIR of DIR/train/{NORMAL,PNEUMONIA}/*, or the test is skipped."""
    return _directory("CHEST_XRAY_DIR")


@pytest.fixture(scope="session")
def adult_xray_dir() -> Path:
    """DIR of DIR/manifest.csv and the images it names, or the test is skipped."""
    return _directory("ADULT_XRAY_DIR")


@pytest.fixture(scope="session")
def originals() -> Path:
    """DIR of DIR/{NORMAL,PNEUMONIA}/* at their original size, or the test is skipped."""
    return _directory("CHEST_XRAY_ORIGINALS")
