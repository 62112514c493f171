"""The share of the evidence that lies in the lungs."""

import numpy as np
import pytest

from app.inference.contract import Answers
from tests.answered import SIDE, answers, lungs
from training.evaluation import evidence

PATIENTS = ["a", "b", "c", "d"]
FOUND = lungs()
INSIDE, OUTSIDE = (12, 8), (26, 14)


def answered(cam: np.ndarray) -> Answers:
    return answers([0.1, 0.1, 0.9, 0.9], cam=cam)


def cam(inside: float, outside: float) -> np.ndarray:
    """So much evidence in the lungs, and so much far from them."""
    grid = np.zeros((SIDE, SIDE), np.float32)
    grid[INSIDE], grid[OUTSIDE] = inside, outside
    return grid


CALLED, ALL = np.array([False, False, True, True]), np.zeros(4, bool)


def test_the_evidence_for_each_answer_is_told() -> None:
    told = evidence.measure(answered(cam(3, 1) - cam(1, 0)), CALLED, ALL, PATIENTS, 100)
    # Of 2 and 1 all argue for PNEUMONIA.
    assert told.keys() == {"PNEUMONIA"}
    assert told["PNEUMONIA"].images == 2
    assert told["PNEUMONIA"].in_lungs == pytest.approx(2 / 3)
    assert told["PNEUMONIA"].interval == pytest.approx([2 / 3, 2 / 3])
    normal = evidence.measure(answered(-cam(1, 3)), CALLED, ALL, PATIENTS, 100)
    assert normal.keys() == {"NORMAL"}
    assert normal["NORMAL"].in_lungs == pytest.approx(1 / 4)


def test_chance_is_the_share_of_the_image_that_the_lungs_take() -> None:
    told = evidence.measure(answered(cam(1, 0)), CALLED, ALL, PATIENTS, 100)
    share = (FOUND > 0.5).mean()
    # Their rim is thinner than a place of this map.
    assert told["PNEUMONIA"].of_the_image == pytest.approx(share)


def test_images_without_lungs_tell_nothing() -> None:
    without = np.array([False, False, True, False])
    told = evidence.measure(answered(cam(1, 0)), CALLED, without, PATIENTS, 100)
    assert told["PNEUMONIA"].images == 1
