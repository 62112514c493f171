import numpy as np
import numpy.typing as npt
import pytest

from app.inference.contract import Answers
from training.evaluation.answers import infer


class Echo:
    """An engine whose answers carry the first pixel of each image."""

    name, device, streams, max_batch = "echo", "none", 1, 3

    def __init__(self) -> None:
        self.batches: list[int] = []

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        self.batches.append(len(images))
        first = images[:, 0, 0, 0].astype(np.float32)
        maps = np.tile(first[:, None, None], (1, 7, 7))
        boxes = np.tile(first[:, None], (1, 4))
        return Answers(first, first / np.float32(10), maps, maps, boxes, -first)


def numbered(count: int) -> npt.NDArray[np.uint8]:
    """Images whose pixels are their place."""
    places = np.arange(count, dtype=np.uint8)
    return np.tile(places[:, None, None, None], (1, 224, 224, 1))


@pytest.mark.parametrize(
    ("count", "batches"), [(1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
def test_every_output_comes_in_the_images_order_from_batches_that_the_engine_takes(
    count: int, batches: list[int]
) -> None:
    engine = Echo()
    found = infer(engine, numbered(count))
    places = np.arange(count, dtype=np.float32)
    assert engine.batches == batches
    np.testing.assert_array_equal(found.logit, places)
    np.testing.assert_array_equal(found.probability, places / np.float32(10))
    np.testing.assert_array_equal(found.cam, np.tile(places[:, None, None], (1, 7, 7)))
    np.testing.assert_array_equal(found.novelty, -places)


def test_progress_is_told_under_a_title_only(capsys: pytest.CaptureFixture[str]) -> None:
    infer(Echo(), numbered(2))
    assert capsys.readouterr().out == ""
    infer(Echo(), numbered(2), "answers of echo")
    assert "answers of echo" in capsys.readouterr().out
