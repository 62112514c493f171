"""The contestants whose frameworks the tests have, and the runtimes of all."""

import numpy as np
import pytest

from app.imaging.decode import decode, to_model_input
from app.inference.load import load
from benchmarks.contestants import fastapi_app, runtimes
from benchmarks.contestants.job import MODEL
from benchmarks.measure import check
from benchmarks.uploads import CONTENT_TYPE, Upload
from tests import synthetic
from tests.app.conftest import serving


@pytest.fixture(scope="module")
def upload() -> Upload:
    jpeg = synthetic.encode(synthetic.chest(5, pneumonia=True), ".jpeg")
    return Upload("small", "a drawing", jpeg, (560, 480))


@pytest.fixture(scope="module")
def expected(upload: Upload) -> float:
    """What the service's own engine answers."""
    image = to_model_input(decode(upload.jpeg).pixels)
    return float(load(MODEL, "openvino").infer(image[np.newaxis]).probability[0])


@pytest.mark.parametrize("runtime", ["keras", "tensorflow"])
def test_a_contestant_answers_as_the_service(
    runtime: str, upload: Upload, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_RUNTIME", runtime)
    with serving(fastapi_app.app) as client:
        headers = {"Content-Type": CONTENT_TYPE}
        answer = client.post("/predict", content=upload.body, headers=headers).json()
    assert answer.keys() == {"label", "probability"}
    check(answer["probability"], expected, upload)


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_a_runtime_answers_as_the_service(
    runtime: str, upload: Upload, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_RUNTIME", runtime)
    image = to_model_input(decode(upload.jpeg).pixels)
    found = runtimes.chosen()(np.stack([image, image]))
    assert found.shape == (2,)
    check(float(found[1]), expected, upload)
