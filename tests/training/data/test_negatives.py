from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from app.imaging.decode import to_model_input
from tests import synthetic
from training.data import negatives

Gray = npt.NDArray[np.uint8]
UNRELATED = {
    "blank",
    "ct_slice",
    "drawing",
    "hand_xray",
    "knee_xray",
    "noise",
    "photo",
    "scanner_slice",
    "screenshot",
}
SPOILT = {"corner_crop", "inverted", "quarter_turn", "screenshot_of_an_xray", "upside_down"}


@pytest.fixture(scope="module")
def chests() -> Gray:
    drawn = [synthetic.chest(seed, size=(224, 224)) for seed in range(8)]
    return np.stack([to_model_input(chest) for chest in drawn])


@pytest.fixture(scope="module")
def unrelated() -> dict[str, Gray]:
    return negatives.unrelated(0)


@pytest.fixture(scope="module")
def spoilt(chests: Gray) -> dict[str, Gray]:
    return negatives.spoilt(chests, 0)


def test_every_kind_has_enough_images_of_the_models_input_size(
    unrelated: dict[str, Gray], spoilt: dict[str, Gray]
) -> None:
    assert unrelated.keys() == UNRELATED
    assert spoilt.keys() == SPOILT
    assert negatives.COUNT >= 30
    assert {images.shape for images in unrelated.values()} == {(negatives.COUNT, 224, 224, 1)}
    assert {images.shape for images in spoilt.values()} == {(8, 224, 224, 1)}
    assert {images.dtype for images in (unrelated | spoilt).values()} == {np.dtype(np.uint8)}


def test_the_images_of_a_kind_differ_from_each_other(
    unrelated: dict[str, Gray], spoilt: dict[str, Gray]
) -> None:
    for kind, images in (unrelated | spoilt).items():
        assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images), kind


def test_the_kinds_differ_from_each_other(unrelated: dict[str, Gray]) -> None:
    means = {kind: images.mean(0, dtype=float) for kind, images in unrelated.items()}
    for one, other in combinations(sorted(means), 2):
        assert np.abs(means[one] - means[other]).mean() > 5, (one, other)


def test_the_seed_determines_every_pixel(
    chests: Gray,
    unrelated: dict[str, Gray],
    spoilt: dict[str, Gray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(negatives, "COUNT", 2)
    few, same, other = (negatives.unrelated(seed) for seed in (0, 0, 1))
    for kind in UNRELATED:
        np.testing.assert_array_equal(few[kind], same[kind])
    assert not np.array_equal(few["noise"], other["noise"])
    again = negatives.spoilt(chests, 0)
    for kind in SPOILT:
        np.testing.assert_array_equal(again[kind], spoilt[kind])
    assert not np.array_equal(spoilt["corner_crop"], negatives.spoilt(chests, 1)["corner_crop"])


def test_a_spoilt_chest_is_the_chest_turned_or_inverted(
    chests: Gray, spoilt: dict[str, Gray]
) -> None:
    np.testing.assert_array_equal(spoilt["upside_down"][:, ::-1, ::-1], chests)
    np.testing.assert_array_equal(255 - spoilt["inverted"], chests)
    np.testing.assert_array_equal(np.rot90(spoilt["quarter_turn"][0], -1), chests[0])
    np.testing.assert_array_equal(np.rot90(spoilt["quarter_turn"][1]), chests[1])


def test_corner_crops_show_each_corner_in_turn() -> None:
    y, x = np.mgrid[:224, :224]
    corners = (y // 112 * 2 + x // 112).astype(np.uint8)[:, :, np.newaxis]
    crops = negatives.spoilt(np.stack([corners] * 8), 0)["corner_crop"]
    assert [np.unique(crop).tolist() for crop in crops] == [[0], [1], [2], [3]] * 2


def test_an_xray_is_part_of_its_screenshot() -> None:
    white = np.full((1, 224, 224, 1), 255, np.uint8)
    black = np.zeros_like(white)
    of_white, of_black = (
        negatives.spoilt(xrays, 0)["screenshot_of_an_xray"].astype(int) for xrays in (white, black)
    )
    share = float((of_white - of_black == 255).mean())
    assert 0.02 < share < 0.4
