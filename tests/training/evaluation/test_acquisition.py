from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from training.data import labelled
from training.evaluation import acquisition

Gray = npt.NDArray[np.uint8]
BLACK_EDGES, SOFT = 1, 12  # of the features: the dark share above, the fine detail


def grain(seed: int) -> Gray:
    return np.random.default_rng(seed).integers(60, 160, (224, 224), np.uint8)


def with_black_edges(image: Gray) -> Gray:
    framed = image.copy()
    framed[:8] = framed[-8:] = framed[:, :8] = framed[:, -8:] = 0
    return framed


def soft(image: Gray) -> Gray:
    return cv2.GaussianBlur(image, (0, 0), 1).astype(np.uint8)


def as_it_is(image: Gray) -> Gray:
    return image


def described(image: Gray) -> npt.NDArray[np.float64]:
    (found,) = acquisition.features(image[np.newaxis, ..., np.newaxis])
    return np.asarray(found)


def taken(
    habit: Callable[[Gray], Gray], normal: list[bool], sick: list[bool], first_seed: int = 0
) -> labelled.Images:
    """Images that tell nothing of their label but by whether each was taken by the habit."""
    samples: list[labelled.Sample] = []
    pixels = []
    for label, habits in enumerate((normal, sick)):
        for by_habit in habits:
            seed = first_seed + len(samples)
            pixels.append((habit if by_habit else as_it_is)(grain(seed)))
            samples.append(labelled.Sample(Path(f"{seed}.png"), label, str(seed)))
    return labelled.Images(samples, np.stack(pixels)[..., np.newaxis])


def mostly(first_seed: int, normals: int = 100, sick: int = 50) -> labelled.Images:
    """Of which three tenths of the normal, and seven of the sick images, have black edges."""
    return taken(
        with_black_edges,
        [i % 10 < 3 for i in range(normals)],
        [i % 10 >= 3 for i in range(sick)],
        first_seed,
    )


@pytest.fixture(scope="module")
def train() -> labelled.Images:
    return mostly(0)


@pytest.fixture(scope="module")
def validation() -> labelled.Images:
    return mostly(1000, 20, 40)


def test_the_edges_by_hand() -> None:
    image = np.full((224, 224), 100, np.uint8)
    image[:4] = 9
    image[-4:] = 10
    above, below, left, right = described(image)[:12].reshape(4, 3)
    # Half of the eight lines above are 9, which is dark; half of those below 10, which is not.
    np.testing.assert_allclose(above, (54.5, 0.5, 45.5))
    np.testing.assert_allclose(below, (55, 0, 45))
    mean = (216 * 100 + 4 * 9 + 4 * 10) / 224
    deviation = np.sqrt((216 * 100**2 + 4 * 9**2 + 4 * 10**2) / 224 - mean**2)
    np.testing.assert_allclose(left, (mean, 4 / 224, deviation))
    np.testing.assert_allclose(right, left)


def test_steps_at_every_eighth_column_only_are_eight_times_the_mean_step() -> None:
    bands = np.tile(np.repeat([80, 120], 8), 14).astype(np.uint8)
    blocks = described(np.tile(bands, (224, 1)))[-1]
    assert blocks == pytest.approx(8, rel=1e-5)


def test_a_soft_image_has_less_detail_and_less_of_it_fine() -> None:
    sharp, blurred = (described(image)[12:] for image in (grain(0), soft(grain(0))))
    assert (blurred[:3] < 0.6 * sharp[:3]).all()


def test_a_jpeg_shows_its_blocks() -> None:
    _, stored = cv2.imencode(".jpg", grain(0), (cv2.IMWRITE_JPEG_QUALITY, 10))
    compressed = np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE))
    assert described(compressed)[-1] > described(grain(0))[-1] + 0.2


def test_how_bright_the_middle_is_says_nothing() -> None:
    brighter = grain(0)
    brighter[40:-40, 40:-40] += 90
    np.testing.assert_allclose(described(brighter), described(grain(0)), atol=1e-4)


def test_an_image_of_one_gray_has_features_too() -> None:
    assert np.isfinite(described(np.zeros((224, 224), np.uint8))).all()


@pytest.mark.parametrize("habit", [with_black_edges, soft])
def test_labels_that_differ_only_in_how_images_were_taken_are_told_apart(
    habit: Callable[[Gray], Gray],
) -> None:
    images = taken(habit, [False] * 40, [True] * 40)
    assert roc_auc_score(images.labels, acquisition.probability(images)) > 0.95


def test_labels_of_images_taken_alike_are_not_told_apart() -> None:
    images = taken(as_it_is, [False] * 60, [False] * 60)
    assert roc_auc_score(images.labels, acquisition.probability(images)) < 0.65


def test_an_image_is_judged_by_other_patients_only() -> None:
    """So what is one patient's own tells nothing of the patient's other images."""
    patients = np.repeat(np.arange(12), 30)
    labels = np.random.default_rng(0).permutation(np.arange(12) % 2)[patients]
    pixels = np.stack([np.full((224, 224, 1), 20 * patient, np.uint8) for patient in patients])

    def told(names: npt.NDArray[np.int64]) -> float:
        samples = [
            labelled.Sample(Path(f"{i}.png"), int(label), str(name))
            for i, (label, name) in enumerate(zip(labels, names, strict=True))
        ]
        found = acquisition.probability(labelled.Images(samples, pixels))
        return float(roc_auc_score(labels, found))

    assert told(np.arange(len(patients))) > 0.99
    assert told(patients) < 0.7


def test_five_patients_of_each_label_are_enough() -> None:
    def of(sick: list[str]) -> labelled.Images:
        samples = [labelled.Sample(Path("a.png"), 0, str(patient)) for patient in range(5)]
        samples += [labelled.Sample(Path("b.png"), 1, patient) for patient in sick]
        return labelled.Images(samples, np.zeros((len(samples), 224, 224, 1), np.uint8))

    assert acquisition.has_enough_patients(of(list("abcde")))
    assert acquisition.probability(of(list("abcde"))).shape == (10,)
    assert not acquisition.has_enough_patients(of(list("abcdabcdabcd")))
    assert not acquisition.has_enough_patients(of([]))


def test_probabilities_are_the_same_each_time(train: labelled.Images) -> None:
    first, again = (acquisition.probability(train) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_against_is_the_fifth_of_each_label_that_acquisition_gets_most_wrong() -> None:
    labels = np.array([0] * 10 + [1] * 5)
    probabilities = np.array([0.7, *np.arange(8) / 10, 0.9, 0.9, 0.3, 0.2, 0.6, 0.3])
    # Of NORMAL the 0.9, and of two images of 0.7 the first; of PNEUMONIA the 0.2.
    assert np.flatnonzero(acquisition.against(probabilities, labels)).tolist() == [0, 9, 12]
