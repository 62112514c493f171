from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.inference.contract import Answers
from tests.answered import answers
from tests.model_store import made
from training.evaluation import novelty_report
from training.evaluation.measured import to_json


class Brightness:
    """An engine to which bright images are novel, and which finds no lungs in black ones."""

    name, device, streams, max_batch = "brightness", "", 1, 3

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        assert len(images) <= self.max_batch
        found = answers(images.mean((1, 2, 3), dtype=np.float32))
        black = found.novelty == 0
        return replace(found, lungs=np.where(black[:, None, None], 0, found.lungs))


def gray(*levels: int) -> npt.NDArray[np.uint8]:
    return np.stack([np.full((224, 224, 1), level, np.uint8) for level in levels])


def test_separation_against_a_case_made_by_hand() -> None:
    real, novel = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.5, 5.0])
    # Of the eight pairs, 2 + 4 are in order.
    assert novelty_report.separation(real, novel) == 6 / 8


def test_measure_tells_of_the_real_images_and_of_each_kind() -> None:
    kinds = {"bright": gray(200, 250), "between": gray(0, 55, 55, 55)}
    real = answers([10.0, 20.0, 30.0, 60.0])
    calibration = made.manifest().calibration.model_copy(update={"novelty_limit": 50.0})
    measured = novelty_report.measure(Brightness(), real, kinds, calibration)
    assert to_json(measured) == {
        "real": {"images": 4, "warned": 0.25, "without_lungs": 0.0, "told_apart": 0.25},
        "kinds": {
            "bright": {
                "images": 2,
                "auroc": 1.0,
                "warned": 1.0,
                "without_lungs": 0.0,
                "told_apart": 1.0,
            },
            # Of the 16 pairs, three times 3 are in order.
            "between": {
                "images": 4,
                "auroc": 9 / 16,
                "warned": 0.75,
                "without_lungs": 0.25,
                "told_apart": 1.0,
            },
        },
    }


def test_the_contact_sheet_has_a_titled_picture_of_each_kind() -> None:
    kinds = {f"kind_{i}": gray(30 * i, 0) for i in range(7)}
    figure = novelty_report.contact_sheet(kinds)
    pictured = {axes.get_title(): axes.images[0] for axes in figure.axes if axes.images}
    assert list(pictured) == [f"kind {i}" for i in range(7)]
    for i, picture in enumerate(pictured.values()):
        shown = picture.get_array()
        assert shown is not None
        assert np.unique(shown).tolist() == [30 * i]
        assert picture.get_clim() == (0, 255)
