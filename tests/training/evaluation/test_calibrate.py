import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from app.reading import lungs
from training.evaluation import calibrate

Floats = npt.NDArray[np.float64]


def simulated(seed: int, count: int = 20_000) -> tuple[Floats, Floats]:
    """Logits whose sigmoid is the very probability of the label, and the labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.5, 2.5, count)
    return logits, (random.random(count) < expit(logits)).astype(np.float64)


def alike(values: Floats) -> Floats:
    """Weights of images that all count alike."""
    return np.ones(len(values))


def one_set(values: Floats) -> npt.NDArray[np.str_]:
    return np.full(len(values), "children")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("bias", [-1.5, 0.0, 2.0])
def test_a_known_scaling_is_recovered(temperature: float, bias: float) -> None:
    logits, labels = simulated(0)
    found = calibrate.scaling((logits - bias) * temperature, labels, alike(labels))
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.bias == pytest.approx(bias, abs=0.1)


def test_the_scaling_of_a_perfect_model_stays_within_its_bounds() -> None:
    labels = np.array([0.0, 0, 1, 1])
    found = calibrate.scaling(np.array([-3.0, -2.0, 2.0, 3.0]), labels, alike(labels))
    assert found.temperature >= 0.05
    assert abs(found.bias) <= 20


def test_an_image_that_counts_twice_is_as_two_images() -> None:
    logits, labels = simulated(4, 300)
    counts = np.where(np.arange(300) % 3 == 0, 2.0, 1.0)
    each = np.repeat(np.arange(300), counts.astype(int))
    weighted = calibrate.scaling(logits, labels, counts)
    repeated = calibrate.scaling(logits[each], labels[each], alike(labels[each]))
    assert weighted.temperature == pytest.approx(repeated.temperature, rel=0.01)
    assert weighted.bias == pytest.approx(repeated.bias, abs=0.01)


def test_the_weights_say_for_which_share_of_pneumonia_probabilities_are_calibrated() -> None:
    logits, labels = simulated(5)
    counts = np.where(labels == 1, 3.0, 1.0)
    found = calibrate.probability(logits, calibrate.scaling(logits, labels, counts))
    share = np.average(labels, weights=counts)
    assert np.average(found, weights=counts) == pytest.approx(share, abs=2e-3)


def test_the_operating_point_is_where_either_label_is_as_likely() -> None:
    labels = np.array([0.0, 0, 0, 0, 1, 1])
    point = calibrate.operating_point(np.array([0.1, 0.2, 0.49, 0.5, 0.5, 0.4]), labels)
    assert (point.threshold, point.sensitivity, point.specificity) == (0.5, 0.5, 0.75)


def test_calibrated_for_both_labels_alike_its_youden_index_is_about_the_highest() -> None:
    logits, labels = simulated(5)
    counts = np.where(labels == 1, 1 / labels.sum(), 1 / (1 - labels).sum()) * len(labels) / 2
    found = calibrate.probability(logits, calibrate.scaling(logits, labels, counts))
    point = calibrate.operating_point(found, labels)
    best = max(
        (found[labels == 1] >= threshold).mean() + (found[labels == 0] < threshold).mean()
        for threshold in np.linspace(0.01, 0.99, 99)
    )
    assert point.sensitivity + point.specificity == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize(
    ("count", "rank"), [(19, 19), (20, 20), (39, 38.5), (99, 95.5), (100, 96.5)]
)
def test_the_quantile_lies_halfway_from_the_rank_that_coverage_needs_to_the_next(
    count: int, rank: float
) -> None:
    # The rank of coverage is 19, 20, 38, 95 and 96; the first two have no next one.
    scores = np.random.default_rng(0).permutation(np.arange(1, count + 1)) / 1000
    labels = np.repeat([0.0, 1.0], count)
    fitted = calibrate.conformal(np.concatenate([scores, 1 - scores]), labels, one_set(labels))
    assert fitted.normal_quantile == pytest.approx(rank / 1000)
    assert fitted.pneumonia_quantile == pytest.approx(rank / 1000)


def test_an_engine_that_rounds_otherwise_excludes_no_image() -> None:
    scores = np.arange(1, 40) / 100
    labels = np.repeat([0.0, 1.0], 39)
    fitted = calibrate.conformal(np.concatenate([scores, 1 - scores]), labels, one_set(labels))
    for off in (-1e-3, 1e-3):
        assert np.sum(scores + off <= fitted.normal_quantile) == 38
        assert np.sum(scores + off <= fitted.pneumonia_quantile) == 38


def test_a_label_of_too_few_images_is_always_in_the_set() -> None:
    labels = np.repeat([0.0, 1.0], 18)
    fitted = calibrate.conformal(np.full(36, 0.5), labels, one_set(labels))
    assert (fitted.normal_quantile, fitted.pneumonia_quantile) == (1.0, 1.0)


def test_prediction_sets_cover_each_label_on_other_patients() -> None:
    logits, labels = simulated(1, 4000)
    fitted = calibrate.conformal(expit(logits), labels, one_set(labels))
    others, truth = simulated(2)
    sets = [fitted.prediction_set(float(p)) for p in expit(others)]
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        covered = np.mean([name in s for s, t in zip(sets, truth, strict=True) if t == label])
        # Within the spread of the calibration quantile, which is about 0.5 % at 2000 images.
        assert 0.935 <= covered <= 0.975


def test_each_set_is_covered_whatever_the_others_say() -> None:
    easy, hard = (np.arange(1, 100) / scale for scale in (1000, 200))
    scores = np.concatenate([easy, 1 - easy, hard, 1 - hard])
    labels = np.tile(np.repeat([0.0, 1.0], 99), 2)
    sets = np.repeat(["children", "adults"], 198)
    both = calibrate.conformal(scores, labels, sets)
    alone = calibrate.conformal(scores[198:], labels[198:], sets[198:])
    assert both == alone
    assert both.normal_quantile == pytest.approx(95.5 / 200)


def test_nearly_all_real_lungs_meet_the_criteria() -> None:
    maps = np.zeros((1000, 20, 20), np.float32)
    for at, one in enumerate(maps):
        # From 0.25 to 0.5 of the image, from 0.6 to 0.9 of certainty.
        one[: 5 + round(at / 200)] = 0.6 + 0.3 * ((at * 7) % 1000) / 1000
    criteria = calibrate.lung_criteria(maps)
    assert criteria.least_share == pytest.approx(0.25, abs=0.01)
    assert criteria.least_certainty == pytest.approx(0.6006, abs=1e-3)
    kept = [lungs.find(one, criteria).found for one in maps]
    assert 990 <= sum(kept) < 1000


def error(probabilities: list[float], labels: list[int], weights: list[int]) -> float:
    """Of images that count as often as `weights` tells."""
    (found,) = calibrate.expected_error(
        np.array(probabilities), np.array(labels), np.array([weights], np.float64)
    )
    return float(found)


def test_the_bins_are_closed_below_and_the_last_one_above_too() -> None:
    probabilities = np.array([0.0, 0.0999, 0.1, 0.3, 0.7, 0.9, 0.9999, 1.0])
    assert calibrate.bins(probabilities).tolist() == [0, 0, 1, 3, 7, 9, 9, 9]


def test_the_expected_calibration_error_by_hand() -> None:
    # Bin 1: mean 0.15, share 1/2. Bin 9: mean 0.95, share 1.
    scores, labels = [0.12, 0.18, 0.92, 0.98], [1, 0, 1, 1]
    assert error(scores, labels, [1, 1, 1, 1]) == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)
    # The third image twice, the second never: means 0.12 and 0.94, shares 1 and 1.
    assert error(scores, labels, [1, 0, 2, 1]) == pytest.approx((1 * 0.88 + 3 * 0.06) / 4)


def test_errors_of_either_sign_cancel_within_a_bin_only() -> None:
    assert error([0.55, 0.55], [0, 1], [1, 1]) == pytest.approx(0.05)
    assert error([0.45, 0.55], [0, 1], [1, 1]) == pytest.approx(0.45)


def test_calibrated_probabilities_have_little_error_and_the_scaling_removes_it() -> None:
    logits, labels = simulated(3)
    shifted = 2 * logits - 3
    fitted = calibrate.probability(shifted, calibrate.scaling(shifted, labels, alike(labels)))
    before, after, best = (
        calibrate.expected_error(probabilities, labels, np.ones((1, len(labels))))[0]
        for probabilities in (expit(shifted), fitted, expit(logits))
    )
    assert best < 0.01
    assert after < 0.01
    assert before > 0.05


def test_a_hundredth_of_the_images_lies_above_the_novelty_limit() -> None:
    novelties = np.random.default_rng(0).permutation(np.arange(1000.0))
    assert np.sum(novelties > calibrate.novelty_limit(novelties)) == 10
