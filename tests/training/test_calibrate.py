import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from training import calibrate

Floats = npt.NDArray[np.float64]


def simulated(seed: int, count: int = 20_000) -> tuple[Floats, Floats]:
    """Logits whose sigmoid is the very probability of the label, and the labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.5, 2.5, count)
    return logits, (random.random(count) < expit(logits)).astype(np.float64)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("bias", [-1.5, 0.0, 2.0])
def test_a_known_scaling_is_recovered(temperature: float, bias: float) -> None:
    logits, labels = simulated(0)
    found = calibrate.scaling((logits - bias) * temperature, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.bias == pytest.approx(bias, abs=0.1)


def test_the_scaling_of_a_perfect_model_stays_within_its_bounds() -> None:
    found = calibrate.scaling(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([0.0, 0, 1, 1]))
    assert found.temperature >= 0.05
    assert abs(found.bias) <= 20


def test_the_operating_point_of_separable_answers_lies_between_them() -> None:
    point = calibrate.operating_point(np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.0, 0, 1, 1]))
    assert (point.threshold, point.sensitivity, point.specificity) == (0.4, 1.0, 1.0)


def test_the_operating_point_gives_up_sensitivity_for_a_specificity_of_ninety_percent() -> None:
    # Youden's index is highest at 0.30, 1 - 0.2; from 0.45 on nine of ten normals are kept.
    normal = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.4, 0.5])
    sick = np.array([0.3, 0.35, 0.45, 0.7, 0.8])
    point = calibrate.operating_point(
        np.concatenate([normal, sick]), np.repeat([0.0, 1.0], [len(normal), len(sick)])
    )
    assert point.threshold == pytest.approx(0.425)
    assert (point.sensitivity, point.specificity) == pytest.approx((0.6, 0.9))


def test_rounding_never_moves_the_threshold_across_an_image() -> None:
    probabilities = np.array([1e-6, 2e-6, 6e-6, 9e-6])
    point = calibrate.operating_point(probabilities, np.array([0.0, 0, 1, 1]))
    assert (point.threshold, point.sensitivity, point.specificity) == (4e-6, 1.0, 1.0)


@pytest.mark.parametrize(
    ("count", "rank"), [(19, 19), (20, 20), (39, 38.5), (99, 95.5), (100, 96.5)]
)
def test_the_quantile_lies_halfway_from_the_rank_that_coverage_needs_to_the_next(
    count: int, rank: float
) -> None:
    # The rank of coverage is 19, 20, 38, 95 and 96; the first two have no next one.
    scores = np.random.default_rng(0).permutation(np.arange(1, count + 1)) / 1000
    fitted = calibrate.conformal(np.concatenate([scores, 1 - scores]), np.repeat([0.0, 1.0], count))
    assert fitted.normal_quantile == pytest.approx(rank / 1000)
    assert fitted.pneumonia_quantile == pytest.approx(rank / 1000)


def test_an_engine_that_rounds_otherwise_excludes_no_image() -> None:
    scores = np.arange(1, 40) / 100
    fitted = calibrate.conformal(np.concatenate([scores, 1 - scores]), np.repeat([0.0, 1.0], 39))
    for off in (-1e-3, 1e-3):
        assert np.sum(scores + off <= fitted.normal_quantile) == 38
        assert np.sum(scores + off <= fitted.pneumonia_quantile) == 38


def test_a_label_of_too_few_images_is_always_in_the_set() -> None:
    fitted = calibrate.conformal(np.full(36, 0.5), np.repeat([0.0, 1.0], 18))
    assert (fitted.normal_quantile, fitted.pneumonia_quantile) == (1.0, 1.0)


def test_prediction_sets_cover_each_label_on_other_patients() -> None:
    logits, labels = simulated(1, 4000)
    fitted = calibrate.conformal(expit(logits), labels)
    others, truth = simulated(2)
    sets = [fitted.prediction_set(float(p)) for p in expit(others)]
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        covered = np.mean([name in s for s, t in zip(sets, truth, strict=True) if t == label])
        # Within the spread of the calibration quantile, which is about 0.5 % at 2000 images.
        assert 0.935 <= covered <= 0.975


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
    fitted = calibrate.probability(shifted, calibrate.scaling(shifted, labels))
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
