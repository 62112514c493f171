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


@pytest.mark.parametrize(("count", "rank"), [(19, 19), (20, 20), (39, 38), (99, 95), (100, 96)])
def test_the_quantile_is_the_score_of_the_rank_that_coverage_needs(count: int, rank: int) -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1, count + 1)) / 1000
    fitted = calibrate.conformal(np.concatenate([scores, 1 - scores]), np.repeat([0.0, 1.0], count))
    assert fitted.normal_quantile == pytest.approx(rank / 1000)
    assert fitted.pneumonia_quantile == pytest.approx(rank / 1000)


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


def test_a_hundredth_of_the_images_lies_above_the_novelty_limit() -> None:
    novelties = np.random.default_rng(0).permutation(np.arange(1000.0))
    assert np.sum(novelties > calibrate.novelty_limit(novelties)) == 10
