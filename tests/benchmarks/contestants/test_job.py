from io import BytesIO

import numpy as np
from PIL import Image

from app.imaging import decode as service
from benchmarks.contestants import job
from tests import synthetic


def test_an_image_is_decoded_as_the_service_does() -> None:
    file = BytesIO()
    Image.fromarray(synthetic.chest(3)).convert("RGB").save(file, "JPEG", quality=90)
    expected = service.to_model_input(service.decode(file.getvalue()).pixels)
    found = job.decode(BytesIO(file.getvalue()))
    assert found.shape == (224, 224, 1)
    np.testing.assert_array_equal(found, expected)


def test_the_label_is_that_of_the_threshold() -> None:
    threshold = job.MODEL.manifest.calibration.operating_point.threshold
    assert job.answer(threshold) == {"label": "PNEUMONIA", "probability": threshold}
    assert job.answer(threshold - 0.01)["label"] == "NORMAL"
