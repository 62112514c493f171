import cv2
import numpy as np
import numpy.typing as npt
import pytest

from app.reading.lungs import Box, Lungs, evidence_in_lungs, find, mask_of, measure, outline
from model_store.manifest import LungCriteria
from tests.answered import SIDE, lungs

CRITERIA = LungCriteria(least_share=0.1, least_certainty=0.7)
LENIENT = LungCriteria(least_share=0, least_certainty=0)
NOTHING = np.zeros((SIDE, SIDE), np.float32)
NOWHERE = (0, 0)
FINE = 112

Floats = npt.NDArray[np.float32]


def disc(x: float, y: float, radius: float, size: tuple[int, int] = (FINE, FINE)) -> Floats:
    """P(lung) of a disc with soft edges; lengths in shares of the image."""
    height, width = size
    rows, columns = np.mgrid[:height, :width] + 0.5
    away = np.hypot(columns / width - x, rows / height - y)
    return (1 / (1 + np.exp((away - radius) * 100))).astype(np.float32)


def test_two_lungs_are_found_where_they_are() -> None:
    share = float((lungs() >= 0.5).mean())
    assert find(lungs(), CRITERIA) == Lungs(
        True, Box(4 / 28, 5 / 28, 24 / 28, 22 / 28), share=share
    )


@pytest.mark.parametrize("size", [(112, 112), (28, 56), (7, 7)])
def test_the_size_of_a_map_is_open(size: tuple[int, int]) -> None:
    found = find(disc(0.4, 0.5, 0.25, size), CRITERIA)
    assert found.box == pytest.approx((0.15, 0.25, 0.65, 0.75), abs=1 / min(size))


@pytest.mark.parametrize(
    ("least", "found"),
    [
        ((0.34, 0.89), True),
        ((0.35, 0.89), False),
        ((0.34, 0.91), False),
        ((0.0, 0.0), True),
    ],
)
def test_there_are_none_below_either_criterion(least: tuple[float, float], found: bool) -> None:
    share, certainty = least
    criteria = LungCriteria(least_share=share, least_certainty=certainty)
    assert measure(lungs()) == pytest.approx((2 * 8 * 17 / SIDE**2, 0.9))
    assert find(lungs(), criteria).found is found


@pytest.mark.parametrize("value", [0.0, 0.49])
@pytest.mark.parametrize("criteria", [CRITERIA, LENIENT])
def test_a_map_without_lungs(value: float, criteria: LungCriteria) -> None:
    blank = np.full((SIDE, SIDE), value, np.float32)
    assert find(blank, criteria) == Lungs(False, None, False)
    assert measure(blank) == (0, 0)
    assert not mask_of(blank).any()
    assert outline(blank) == []


def test_certainty_is_that_of_what_is_likelier_lung_than_not() -> None:
    unsure = lungs(certainty=0.6)
    unsure[unsure == 0] = 0.4
    assert measure(unsure).certainty == pytest.approx(0.6)


def test_what_is_no_lung_of_its_own_is_left_out() -> None:
    speck, third = lungs(), lungs()
    speck[25:28, 13:15] = 0.9
    third[23:28, 4:24] = 0.9
    assert np.array_equal(mask_of(speck), lungs() > 0)
    assert np.array_equal(mask_of(third), lungs() > 0)


def test_one_lung_is_enough() -> None:
    # As where the other one is white with fluid.
    one = lungs(right=NOWHERE)
    one[2, 20] = 0.9
    assert find(one, CRITERIA).box == Box(4 / 28, 5 / 28, 12 / 28, 22 / 28)


@pytest.mark.parametrize("turns", range(4))
def test_lungs_at_the_edge_are_cut_off(turns: int) -> None:
    assert not find(np.rot90(lungs(left=(1, 12))), CRITERIA).cut_off
    assert find(np.ascontiguousarray(np.rot90(lungs(left=(0, 12)), turns)), CRITERIA).cut_off


def test_a_few_places_at_the_edge_are_not_enough() -> None:
    for cells, cut_off in ((4, False), (5, True)):
        touching = np.zeros((FINE, FINE), np.float32)
        touching[40:90, 1:50] = 0.9
        touching[60 : 60 + cells, 0] = 0.9
        assert find(touching, CRITERIA).cut_off is cut_off


def test_the_outline_runs_around_each_lung() -> None:
    both = np.maximum(disc(0.3, 0.5, 0.15), disc(0.7, 0.4, 0.15))
    curves = sorted(outline(both), key=lambda curve: float(curve[:, 0].mean()))
    assert len(curves) == 2
    for curve, centre in zip(curves, ((0.3, 0.5), (0.7, 0.4)), strict=True):
        assert curve.dtype == np.float32
        assert np.abs(np.hypot(*(curve - centre).T) - 0.15).max() < 0.3 / FINE


def test_the_outline_of_a_map_that_is_not_square() -> None:
    (curve,) = outline(disc(0.5, 0.5, 0.25, (28, 112)))
    assert np.abs(np.hypot(*(curve - 0.5).T) - 0.25).max() < 0.5 / 28


def test_the_outline_leaves_specks_out() -> None:
    speck = lungs()
    speck[25:27, 13:15] = 0.9
    assert len(outline(speck)) == len(outline(lungs())) == 2


def test_evidence_is_shared_out_between_the_lungs_and_the_rest() -> None:
    cam = np.zeros((SIDE, SIDE), np.float32)
    cam[10, 8], cam[10, 1] = 3, 1
    cam[12, 20], cam[27, 14] = -1, -1
    assert evidence_in_lungs(cam, lungs(), "pneumonia") == pytest.approx(0.75)
    assert evidence_in_lungs(cam, lungs(), "normal") == pytest.approx(0.5)


@pytest.mark.parametrize("side", [28, 56, 112, 224])
def test_the_rim_of_the_lungs_counts_as_lung(side: int) -> None:
    """5 pixels of 224, in each direction, and at its own precision."""
    lung = np.zeros((side, side), np.float32)
    lung[side // 4 : side // 2, side // 4 : side // 2] = 1
    even = np.ones((side, side), np.float32)
    rim = int(5 / 224 * side)
    dilated = cv2.dilate(lung, np.ones((2 * rim + 1,) * 2))
    share = evidence_in_lungs(even, lung, "pneumonia")
    assert share is not None
    assert lung.mean() <= share <= dilated.mean()
    assert share == pytest.approx((np.sqrt(lung.mean()) + 10 / 224) ** 2, abs=2.5 / side)


@pytest.mark.parametrize("cam", [NOTHING, NOTHING - 1])
def test_no_evidence_has_no_share(cam: Floats) -> None:
    assert evidence_in_lungs(cam, lungs(), "pneumonia") is None


def test_without_lungs_no_evidence_is_in_them() -> None:
    assert evidence_in_lungs(NOTHING + 1, NOTHING, "pneumonia") == 0


def test_all_evidence_is_in_lungs_that_fill_the_image() -> None:
    assert evidence_in_lungs(NOTHING + 1, NOTHING + 1, "pneumonia") == 1
