"""The image, built once."""

from collections.abc import Iterator

import pytest

from tests.deploy.engine import Engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Docker engine that has what stands for `python:3.12-slim`."""
    with Engine(tmp_path_factory.mktemp("docker")).running() as engine:
        engine.bring_python()
        yield engine


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The CPU image."""
    engine.build("--target", "cpu", "--tag", "pneumoscope:cpu", "--build-arg", "VERSION=0.1.0")
    return "pneumoscope:cpu"
