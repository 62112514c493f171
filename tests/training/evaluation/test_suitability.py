"""What is found strange in images, and how often."""

import numpy as np
import pytest

from tests.answered import answers, lungs
from tests.model_store import made
from training.evaluation import suitability
from training.evaluation.measured import Shares
from training.evaluation.suitability import Suitability

CALIBRATION = made.manifest().calibration
FOUND = Suitability(np.array([True, False, True, False]), np.array([False, False, True, True]))


def test_it_judges_as_the_service_does() -> None:
    """The limit is 2, and lungs must cover a tenth."""
    novelties = [1.9, 2.1]
    with_lungs = suitability.judge(answers([0.5, 0.5], novelty=novelties), CALIBRATION)
    assert with_lungs.warned.tolist() == [False, True]
    assert with_lungs.without_lungs.tolist() == [False, False]
    nothing = answers([0.5, 0.5], novelty=novelties, lungs=lungs((0, 0), (0, 0)))
    assert suitability.judge(nothing, CALIBRATION).without_lungs.tolist() == [True, True]


def test_either_tells_an_image_apart() -> None:
    assert FOUND.told_apart.tolist() == [True, False, True, True]
    assert suitability.shares(FOUND) == Shares(
        images=4, warned=0.5, without_lungs=0.5, told_apart=0.75
    )


def test_some_of_the_images() -> None:
    some = FOUND.of(np.array([False, True, True, False]))
    assert some.warned.tolist() == [False, True]
    assert some.without_lungs.tolist() == [False, True]


def test_intervals_draw_patients() -> None:
    tiled = Suitability(np.tile(FOUND.warned, 25), np.tile(FOUND.without_lungs, 25))
    each = suitability.with_intervals(tiled, [str(i) for i in range(100)], 500).warned
    # 0.5 -+ 1.96 * sqrt(0.5 * 0.5 / 100)
    assert (each.low, each.high) == pytest.approx((0.4, 0.6), abs=0.03)
    # The images of two patients are all warned of, those of two others never.
    few = suitability.with_intervals(tiled, [str(i % 4) for i in range(100)], 500).warned
    assert (few.low, few.high) == (0, 1)
