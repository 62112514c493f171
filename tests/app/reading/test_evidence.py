import cv2
import numpy as np
import numpy.typing as npt
import pytest

from app.reading.evidence import core
from tests.answered import SIDE, lungs

Floats = npt.NDArray[np.float32]
# Of a place of the map, in shares of the image.
PLACE = 1 / SIDE


def evidence(*boxes: tuple[int, int, int, int, float]) -> Floats:
    """A map, float32 `[28, 28]`, of boxes: left, top, right, bottom, and how strong each is."""
    cam = np.full((SIDE, SIDE), -1, np.float32)
    for left, top, right, bottom, strength in boxes:
        cam[top:bottom, left:right] = strength
    return cam


def bounds(curve: Floats) -> tuple[float, ...]:
    """Left, top, right and bottom of a curve, in places of the map."""
    return tuple(SIDE * np.concatenate([curve.min(axis=0), curve.max(axis=0)]))


def test_it_is_where_the_evidence_is_at_least_half_of_its_peak() -> None:
    cam = evidence((5, 8, 11, 18, 0.4), (6, 10, 10, 16, 1.0))
    [region] = core(cam, lungs())

    assert bounds(region) == pytest.approx((6, 10, 10, 16), abs=0.5)


def test_what_is_outside_the_lungs_neither_counts_nor_sets_the_peak() -> None:
    cam = evidence((8, 8, 16, 18, 1.0), (0, 25, 28, 28, 9.0))
    [region] = core(cam, lungs(right=(0, 0)))

    assert bounds(region) == pytest.approx((8, 8, 12, 18), abs=0.5)


def test_of_several_the_largest_is_first_and_specks_are_left_out() -> None:
    cam = evidence((5, 8, 8, 11, 1.0), (17, 8, 23, 18, 0.9), (5, 19, 6, 20, 1.0))
    first, second = core(cam, lungs())

    assert bounds(first) == pytest.approx((17, 8, 23, 18), abs=0.5)
    assert bounds(second) == pytest.approx((5, 8, 8, 11), abs=0.5)


def test_a_slope_becomes_a_simple_curve_near_its_half() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    away = np.hypot(columns - 8, rows - 13)
    [region] = core(np.exp(-((away / 3) ** 2)).astype(np.float32), lungs())

    radius = 3 * np.sqrt(np.log(2))
    assert np.hypot(*(region * SIDE - (8, 13)).T) == pytest.approx(radius, abs=0.5)
    assert 8 <= len(region) <= 60
    assert cv2.contourArea(region) == pytest.approx(np.pi * (radius * PLACE) ** 2, rel=0.2)


@pytest.mark.parametrize(
    ("cam", "found"),
    [
        (evidence(), lungs()),
        (np.zeros((SIDE, SIDE), np.float32), lungs()),
        (evidence((0, 0, 28, 4, 1.0)), lungs()),
        (evidence((5, 8, 11, 18, 1.0)), lungs((0, 0), (0, 0))),
    ],
    ids=["against", "nothing", "outside", "no lungs"],
)
def test_there_is_none(cam: Floats, found: Floats) -> None:
    assert core(cam, found) == []
