from typing import get_args

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from app.imaging.overlay import MediaType, Target, encode, overlay
from tests import synthetic

CHEST = synthetic.chest(2, size=(300, 400))
GRAY = np.repeat(CHEST[:, :, np.newaxis], 3, axis=2)
NO_LIMIT = 10_000
SIZE = 7
TARGETS: tuple[Target, ...] = get_args(Target)

Cam = npt.NDArray[np.float32]


def spot(row: int, column: int, width: float = 0.8) -> Cam:
    """A smooth 7 x 7 map whose peak of 1 is at the given cell."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2)).astype(np.float32)


def colourfulness(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """The spread of each pixel's channels, 0 where it is gray."""
    return np.ptp(picture.astype(np.int16), axis=2)


@pytest.mark.parametrize(
    ("max_side", "size"), [(NO_LIMIT, (300, 400)), (400, (300, 400)), (200, (150, 200))]
)
def test_size_and_aspect_ratio(max_side: int, size: tuple[int, int]) -> None:
    picture = overlay(CHEST, spot(3, 3), "pneumonia", max_side)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    assert overlay(CHEST.T, spot(3, 3), "pneumonia", max_side).shape == (*size[::-1], 3)


def test_a_sliver_keeps_a_side() -> None:
    assert overlay(CHEST[:1], spot(3, 3), "pneumonia", 64).shape == (1, 64, 3)


@pytest.mark.parametrize("target", TARGETS)
def test_little_evidence_leaves_the_radiograph_as_it_is(target: Target) -> None:
    picture = overlay(CHEST, spot(0, 0), target, NO_LIMIT)
    assert np.array_equal(picture[150:, 200:], GRAY[150:, 200:])


def test_much_evidence_is_coloured() -> None:
    picture = overlay(CHEST, spot(3, 1), "pneumonia", NO_LIMIT)
    assert colourfulness(picture[130:170, 70:100]).min() > 40


def test_the_lung_is_still_seen_under_the_most_evidence() -> None:
    picture = overlay(CHEST, np.ones((SIZE, SIZE), np.float32), "pneumonia", NO_LIMIT)
    contrast = picture.std(axis=(0, 1)) / CHEST.std()
    assert contrast.min() > 0.4


@pytest.mark.parametrize("row", [0, SIZE - 1])
@pytest.mark.parametrize("column", [0, SIZE - 1])
def test_the_colour_is_where_the_evidence_is(row: int, column: int) -> None:
    picture = overlay(CHEST, spot(row, column), "pneumonia", NO_LIMIT)
    y, x = np.nonzero(colourfulness(picture) > 60)
    assert abs(y.mean() / 300 - row / (SIZE - 1)) < 0.2
    assert abs(x.mean() / 400 - column / (SIZE - 1)) < 0.2


def test_targets_are_complementary() -> None:
    cam = spot(1, 1) - spot(5, 5)
    pneumonia = colourfulness(overlay(CHEST, cam, "pneumonia", NO_LIMIT)) > 0
    normal = colourfulness(overlay(CHEST, cam, "normal", NO_LIMIT)) > 0
    assert pneumonia[:100, :100].any()
    assert normal[-100:, -100:].any()
    assert not (pneumonia & normal).any()
    mirrored = overlay(CHEST, -cam, "normal", NO_LIMIT)
    assert np.array_equal(overlay(CHEST, cam, "pneumonia", NO_LIMIT), mirrored)


def test_evidence_is_shown_relative_to_the_other_label() -> None:
    weak = overlay(CHEST, 0.1 * spot(1, 1) - spot(5, 5), "pneumonia", NO_LIMIT)
    assert np.array_equal(weak, GRAY)


def test_the_scale_of_the_map_does_not_matter() -> None:
    cam = spot(2, 4)
    faint, strong = (overlay(CHEST, cam * s, "pneumonia", NO_LIMIT) for s in (2.0**-60, 2.0**60))
    assert np.array_equal(faint, strong)


@pytest.mark.parametrize("target", TARGETS)
def test_no_evidence_at_all(target: Target) -> None:
    nothing = np.zeros((SIZE, SIZE), np.float32)
    assert np.array_equal(overlay(CHEST, nothing, target, NO_LIMIT), GRAY)


@pytest.mark.parametrize("value", [1e-45, 1, 1e30])
def test_uniform_evidence_is_one_colour(value: float) -> None:
    cam = np.full((SIZE, SIZE), value, np.float32)
    black = np.zeros_like(CHEST)
    picture = overlay(black, cam, "pneumonia", NO_LIMIT)
    assert (picture == picture[0, 0]).all()
    assert not overlay(black, cam, "normal", NO_LIMIT).any()


def test_the_colour_fades_in_without_an_edge() -> None:
    flat = np.full_like(CHEST, 128)
    picture = overlay(flat, spot(3, 3, width=1.5), "pneumonia", NO_LIMIT).astype(np.int16)
    assert max(np.abs(np.diff(picture, axis=axis)).max() for axis in (0, 1)) <= 6


SQUARE = np.array([(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)], np.float32)


def outlined(pixels: npt.NDArray[np.uint8], *curves: Cam) -> npt.NDArray[np.uint8]:
    """The radiograph with curves and nothing else."""
    nothing = np.zeros((SIZE, SIZE), np.float32)
    return overlay(pixels, nothing, "pneumonia", NO_LIMIT, curves)


def test_a_contour_is_a_thin_line_where_it_runs() -> None:
    drawn = (outlined(CHEST, SQUARE) != GRAY).any(axis=2)
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max()) == pytest.approx((75, 224), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((100, 299), abs=2)
    assert drawn[78:222, 150].sum() == 0
    assert drawn[:, 200].sum() <= 2 * 4
    assert drawn.mean() < 0.03


def test_a_contour_runs_along_the_edge_of_an_image_that_it_fills() -> None:
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    drawn = (outlined(CHEST, corners) != GRAY).any(axis=2)
    assert drawn[0].all()
    assert drawn[:, -1].all()
    assert not drawn[3:-3, 3:-3].any()


def test_a_contour_is_smooth() -> None:
    """Partly covered pixels are partly coloured, as they are along a slanted line."""
    slanted = np.array([(0.1, 0.1), (0.9, 0.3), (0.8, 0.9)], np.float32)
    shades = np.unique(outlined(np.zeros_like(CHEST), slanted)[:, :, 0])
    assert len(shades) > 20


@pytest.mark.parametrize("gray", range(0, 256, 15))
def test_a_contour_is_seen_on_any_gray(gray: int) -> None:
    picture = outlined(np.full_like(CHEST, gray), SQUARE).astype(int)
    assert np.abs(picture - gray).max() >= 90
    assert colourfulness(picture.astype(np.uint8)).max() > 200


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_a_contour_is_seen_on_any_evidence(gray: int) -> None:
    """On every colour that the map lays over this gray."""
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (SIZE, 1))
    line = np.array([(0, 0.5), (1, 0.5)], np.float32)
    flat = np.full_like(CHEST, gray)
    below = overlay(flat, ramp, "pneumonia", NO_LIMIT)[150].astype(int)
    shown = overlay(flat, ramp, "pneumonia", NO_LIMIT, [line])[148:153].astype(int)
    away = np.abs(shown - below).max(axis=(0, 2))
    assert away[5:-5].min() >= 90


def test_a_contour_grows_with_the_picture_but_stays_thin() -> None:
    widths = []
    for side in (300, 1200):
        picture = outlined(np.zeros((side, side), np.uint8), SQUARE)
        widths.append((picture[: side // 2, side // 2, 0] > 100).sum())
    assert 1 <= widths[0] <= widths[1] <= 4


def test_a_contour_follows_the_picture_s_size() -> None:
    for side in (400, 200):
        drawn = overlay(CHEST, spot(0, 0) * 0, "pneumonia", side, [SQUARE])
        rows, _ = np.nonzero(colourfulness(drawn) > 60)
        assert rows.min() / drawn.shape[0] == pytest.approx(0.25, abs=0.02)


def test_png_keeps_every_pixel() -> None:
    picture = overlay(CHEST, spot(3, 3), "pneumonia", NO_LIMIT)
    data = encode(picture, "image/png")
    assert data.startswith(b"\x89PNG")
    assert np.array_equal(_decoded(data), picture)


def test_jpeg_keeps_nearly_every_pixel() -> None:
    picture = overlay(CHEST, spot(3, 3), "pneumonia", NO_LIMIT)
    data = encode(picture, "image/jpeg")
    assert data.startswith(b"\xff\xd8\xff")
    assert np.abs(_decoded(data).astype(int) - picture).mean() < 4


@pytest.mark.parametrize("media_type", get_args(MediaType))
def test_the_hottest_colour_is_inferno_s_yellow(media_type: MediaType) -> None:
    picture = overlay(CHEST, np.ones((SIZE, SIZE), np.float32), "pneumonia", NO_LIMIT)
    blue, _, red = _decoded(encode(picture, media_type)).mean(axis=(0, 1))
    assert red > blue + 30


def _decoded(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode to BGR."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)
