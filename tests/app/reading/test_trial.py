import numpy as np
import pytest

from app.inference.contract import Answers
from app.inference.openvino import OpenVINOEngine
from app.reading import trial
from model_store.store import ModelError, ModelVersion
from tests.app.conftest import Scripted
from tests.model_store.made import manifest


def test_a_model_that_is_well(tiny_model: ModelVersion) -> None:
    engine = OpenVINOEngine(tiny_model.path, prepared=True)

    trial.run(engine, tiny_model.manifest)


def test_probabilities_are_what_the_manifest_makes_of_the_logits(scripted: Scripted) -> None:
    with pytest.raises(ModelError, match="not what its manifest makes"):
        trial.run(scripted, manifest())


def test_an_answer_does_not_depend_on_the_batch(tiny_model: ModelVersion) -> None:
    class Mixing(Scripted):
        def infer(self, images: np.ndarray) -> Answers:
            self.value = 0.5 + len(images) / 100
            return super().infer(images)

    with pytest.raises(ModelError, match="depends on its batch"):
        trial.run(Mixing(), tiny_model.manifest)
