from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.inference.contract import Answers
from tests.answered import answers
from training.data import labelled
from training.evaluation import shift
from training.evaluation.answers import infer
from training.evaluation.measured import to_json

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


class Reads:
    """An engine whose probability is what it reads of each image, of 255."""

    name, device, streams, max_batch = "reads", "none", 1, 64

    def __init__(self, read: Callable[[Images], Floats]) -> None:
        self._read = read

    def infer(self, images: Images) -> Answers:
        read = (self._read(images) / 255).astype(np.float32)
        return answers(read)


def brightness(images: Images) -> Floats:
    return np.asarray(images.mean((1, 2, 3)))


def corner(images: Images) -> Floats:
    return images[:, 0, 0, 0].astype(np.float64)


def detail(images: Images) -> Floats:
    return np.asarray(images.std((1, 2, 3)))


def mark(images: Images) -> Floats:
    """A pixel between the edge and the middle, which are all that `acquisition` looks at."""
    return images[:, 20, 20, 0].astype(np.float64)


def chests(normal: list[Images], sick: list[Images]) -> labelled.Images:
    """Each of a patient of its own; the images are `[224, 224]`."""
    samples = [
        labelled.Sample(Path(f"{i}.png"), int(i >= len(normal)), str(i))
        for i in range(len(normal) + len(sick))
    ]
    return labelled.Images(samples, np.stack(normal + sick)[..., np.newaxis])


def gray(level: int) -> Images:
    return np.full((224, 224), level, np.uint8)


def framed(level: int) -> Images:
    """With edges of that level, eight pixels wide."""
    image = gray(level)
    image[8:-8, 8:-8] = 100
    return image


def marked(image: Images, level: int) -> Images:
    image[20, 20] = level
    return image


def checked(amplitude: int) -> Images:
    """A checkerboard of single pixels."""
    y, x = np.indices((224, 224))
    return (100 + amplitude * (-1) ** (x + y)).astype(np.uint8)


def measured(
    read: Callable[[Images], Floats], images: labelled.Images, threshold: float
) -> dict[str, Any]:
    engine = Reads(read)
    found = shift.measure(engine, images, infer(engine, images.pixels), threshold / 255)
    return to_json(found)


def estimates(row: dict[str, Any]) -> tuple[float, float, float]:
    """ROC AUC, sensitivity and specificity."""
    return row["roc_auc"], row["sensitivity"], row["specificity"]


def test_how_each_exposure_moves_images_across_the_threshold() -> None:
    images = chests([gray(40), gray(80)], [gray(120), gray(200)])
    taken = measured(brightness, images, 90)["taken"]
    assert taken.keys() == {"as they are", *shift.changed()}
    rates = {name: (row["sensitivity"], row["specificity"]) for name, row in taken.items()}
    assert rates == {
        "as they are": (1, 1),
        "cropped": (1, 1),
        "low contrast": (1, 0.5),  # 80, 100, 120, 160
        "brighter": (1, 0.5),  # 84, 127, 162, 220
        "darker": (0.5, 1),  # 13, 40, 76, 173
        "blurred": (1, 1),
        "compressed": (1, 1),
    }
    # No exposure changes which of two images is the brighter one.
    assert {row["roc_auc"] for row in taken.values()} == {1}


def test_the_changes_of_exposure_by_hand() -> None:
    changed = shift.changed()
    levels = {
        name: [int(changed[name](gray(level))[0, 0]) for level in (0, 64, 255)] for name in changed
    }
    assert levels["low contrast"] == [60, 92, 187]
    # 255 * (64 / 255) ** 0.6 and ** 1.6.
    assert levels["brighter"] == [0, 111, 255]
    assert levels["darker"] == [0, 28, 255]


def test_every_change_gives_an_image_of_the_model() -> None:
    for name, change in shift.changed().items():
        changed = change(framed(200))
        assert changed.shape == (224, 224), name
        assert changed.dtype == np.uint8, name


def test_cropping_takes_a_tenth_at_each_edge() -> None:
    image = gray(100)
    image[:22] = image[-22:] = image[:, :22] = image[:, -22:] = 255
    cropped = shift.changed()["cropped"]
    np.testing.assert_array_equal(cropped(image), gray(100))
    image[22] = 255
    assert cropped(image)[0].min() > 100


def test_a_model_that_reads_the_edge_knows_nothing_of_cropped_images() -> None:
    images = chests([framed(0), framed(40)], [framed(160), framed(200)])
    taken = measured(corner, images, 80)["taken"]
    assert estimates(taken["as they are"]) == (1, 1, 1)
    assert estimates(taken["blurred"]) == (1, 1, 1)
    # All that is left is 100.
    assert estimates(taken["cropped"]) == (0.5, 1, 0)


def test_a_model_that_reads_fine_detail_loses_it_to_blur_and_compression() -> None:
    images = chests([checked(0), checked(0)], [checked(8), checked(8)])
    taken = measured(detail, images, 2)["taken"]
    for name in ("as they are", "brighter", "darker", "low contrast"):
        assert (taken[name]["roc_auc"], taken[name]["sensitivity"]) == (1, 1), name
    for name in ("blurred", "compressed"):
        assert estimates(taken[name]) == (0.5, 0, 1), name


def test_too_few_patients_leave_acquisition_out() -> None:
    few = [gray(40), gray(80), gray(90), gray(100)]
    images = chests([*few, gray(50)], few)
    assert measured(brightness, images, 90).keys() == {"taken"}
    assert measured(brightness, chests([*few, gray(50)], [*few, gray(50)]), 90).keys() == {
        "taken",
        "acquisition",
    }


@pytest.fixture(scope="module")
def habitual() -> labelled.Images:
    """Bright edges mean PNEUMONIA but for a fifth of each label; a mark tells the truth."""
    bright, dark = 200, 40
    normal = [marked(framed(bright if i % 5 == 0 else dark), 0) for i in range(50)]
    sick = [marked(framed(dark if i % 5 == 0 else bright), 255) for i in range(50)]
    return chests(normal, sick)


def test_a_model_that_reads_acquisition_fails_where_it_argues_against_the_label(
    habitual: labelled.Images,
) -> None:
    told = measured(corner, habitual, 128)["acquisition"]
    assert told["images"] == 20
    assert (told["against"]["roc_auc"], told["rest"]["roc_auc"]) == (0, 1)
    # Of the pairs of both labels 0.8 * 0.8 are in order, and 2 * 0.8 * 0.2 nearly ties.
    assert told["alone"]["roc_auc"] == pytest.approx(0.8, abs=0.08)
    low, high = told["alone"]["intervals"]["roc_auc"]
    assert low < told["alone"]["roc_auc"] < high


def test_a_model_that_reads_the_truth_is_right_against_acquisition_too(
    habitual: labelled.Images,
) -> None:
    told = measured(mark, habitual, 128)["acquisition"]
    assert told["images"] == 20
    assert (told["against"]["roc_auc"], told["rest"]["roc_auc"]) == (1, 1)
