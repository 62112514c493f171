"""BentoML with its adaptive batching.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html
"""

import bentoml
import numpy as np
from PIL import Image

from benchmarks.contestants import runtimes
from benchmarks.contestants.job import Answer, answer, to_model_input


@bentoml.service(logging={"access": {"enabled": False}})
class Classifier:
    def __init__(self) -> None:
        self.model = runtimes.chosen()

    # The parameter's name is that of the form's field.
    @bentoml.api(batchable=True, max_batch_size=8, route="/predict")
    def predict(self, file: list[Image.Image]) -> list[Answer]:
        images = np.stack([to_model_input(image) for image in file])
        return [answer(float(probability)) for probability in self.model(images)]
