import math
from pathlib import Path

import numpy as np
import pytest

from app.codes import Label
from app.imaging.decode import Radiograph
from app.reading.model import Model
from app.reading.reading import judge
from tests.answered import answers
from tests.model_store.made import manifest
from tests.training.site_rows import DIGEST, drawn
from training.data.labelled import LABELS, Sample
from training.data.site import Site
from training.evaluation import site
from training.evaluation.site import Commissioned, Share, predictive_values, threshold_for


def measured(count: int, *, adults: bool = False, **options: float) -> Commissioned:
    rows, labels = drawn(count)
    samples = [
        Sample(
            Path(row.path),
            LABELS.index(label),
            f"patient {number}",
            population="adult" if adults else "unknown",
        )
        for number, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]
    return site.measure(Site(rows, samples, [], 0, 0), options.pop("sensitivity", 0.9), **options)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "RESAMPLES", 200)


def test_shares_are_those_of_the_images_and_lie_in_their_intervals() -> None:
    found = measured(400, adults=True)

    assert (found.sensitivity.of, found.specificity.of) == (200, 200)
    for share in (found.sensitivity, found.specificity, *found.coverage.values()):
        assert 0.85 < share.value < 0.95
        assert share.low < share.value < share.high
        assert share.high - share.low < 0.12
    value, (low, high) = found.figures["roc_auc"]
    assert low < value < high
    assert found.groups["adults"].sensitivity == found.sensitivity
    assert found.groups["adults"].share == 1


def test_the_profile_is_of_the_model_and_holds_no_image() -> None:
    profile = measured(400).profile

    assert (profile.model_digest, profile.model_version) == (DIGEST, 5)
    assert (profile.images, profile.patients, profile.prevalence) == (400, 400, 0.5)
    assert profile.threshold
    assert profile.threshold.sensitivity == 0.9
    assert 0 < profile.conformal.normal_quantile < 1
    assert "/data" not in profile.model_dump_json()
    assert "patient 1" not in profile.model_dump_json()


def test_a_reader_by_the_profile_does_what_was_measured() -> None:
    found = measured(400, prevalence=0.05)
    model = Model(manifest(), "openvino", "CPU", found.profile)
    radiograph = Radiograph(np.zeros((8, 8), np.uint8), 8, 8, "PNG", "")
    scores = np.array([row.probability for row in found.site.answered], np.float32)
    ill = np.array([sample.label == 1 for sample in found.site.samples])
    readings = [judge(radiograph, answers([score], novelty=[1.0]), model, {}) for score in scores]
    called = np.array([reading.label == Label.PNEUMONIA for reading in readings])
    covered = np.array(
        [
            LABELS[sample.label] in reading.prediction_set
            for sample, reading in zip(found.site.samples, readings, strict=True)
        ]
    )

    assert found.at_site
    sensitivity, specificity = found.at_site
    assert (called[ill].sum(), (~called[~ill]).sum()) == (sensitivity.count, specificity.count)
    assert 0.95 <= covered[ill].mean() < 0.98
    assert 0.95 <= covered[~ill].mean() < 0.98
    assert all((r.probability >= r.threshold) == (r.label == Label.PNEUMONIA) for r in readings)


def test_a_stated_prevalence_counts_more_than_the_own() -> None:
    assert measured(40, prevalence=0.05).profile.prevalence == 0.05


def test_few_images_promise_nothing() -> None:
    found = measured(10, sensitivity=0.95)
    assert found.profile.threshold is None
    assert found.at_site is None
    assert found.more_for_threshold == 14
    assert found.profile.conformal.pneumonia_quantile == 1
    assert found.groups == {}


@pytest.mark.parametrize("sensitivity", [0.8, 0.9, 0.95])
def test_a_further_image_is_found_as_often_as_was_promised(sensitivity: float) -> None:
    random = np.random.default_rng(1)
    found = []
    for _ in range(4000):
        scores = random.normal(size=40)
        threshold, more = threshold_for(scores[:39], sensitivity)
        assert (threshold is not None, more) == (True, 0)
        found.append(scores[39] >= threshold)
    # Within three standard errors, and with one image's more than was asked for at most.
    error = 3 * math.sqrt(sensitivity * (1 - sensitivity) / len(found))
    assert sensitivity - error <= np.mean(found) <= sensitivity + 1 / 40 + error


@pytest.mark.parametrize(
    ("count", "sensitivity", "more"), [(18, 0.95, 1), (19, 0.95, 0), (9, 0.9, 0), (3, 0.99, 96)]
)
def test_it_takes_so_many_images_to_promise_a_sensitivity(
    count: int, sensitivity: float, more: int
) -> None:
    threshold, missing = threshold_for(np.linspace(0.1, 0.9, count), sensitivity)
    assert missing == more
    assert (threshold is None) == (more > 0)


def test_a_share_of_all_of_few_is_not_certain() -> None:
    everywhere = site._share(np.ones(12, np.bool_), [str(number) for number in range(12)])
    assert everywhere.low == pytest.approx(0.758, abs=1e-3)
    assert everywhere.high == 1
    assert everywhere.more > 100
    assert Share(900, 1000, 0.88, 0.92).more == 0


def test_images_of_one_patient_make_the_interval_wider() -> None:
    true = np.repeat([True, False], [50, 50])
    apart = site._share(true, [str(number) for number in range(100)])
    together = site._share(true, [str(number // 10) for number in range(100)])
    assert together.low < apart.low - 0.1
    assert together.high > apart.high + 0.1


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "prevalence", "expected"),
    [(0.9, 0.9, 0.5, (0.9, 0.9)), (0.9, 0.9, 0.1, (0.5, 0.9878)), (1, 1, 0.2, (1, 1))],
)
def test_what_an_answer_is_worth_depends_on_the_prevalence(
    sensitivity: float, specificity: float, prevalence: float, expected: tuple[float, float]
) -> None:
    found = predictive_values(sensitivity, specificity, prevalence)
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_model_that_never_says_a_label_has_no_value_for_it() -> None:
    positive, negative = predictive_values(0, 1, 0.2)
    assert math.isnan(positive)
    assert negative == pytest.approx(0.8)
