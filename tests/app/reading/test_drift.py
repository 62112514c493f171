"""The index: against its formula, of samples that are drawn alike, and over a window."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.codes import AgeGroup, View
from app.imaging import formats
from app.reading import drift
from app.reading.drift import BINS, LEAST, WINDOW, Drift, Quantities, count, stability_index
from model_store.manifest import Distributions

ORDINARY = Quantities(0.05, 1, 0.55, 0.3, 0.45, "DICOM", View.PA, AgeGroup.UP_TO_64)
STRANGE = ORDINARY._replace(novelty=1.1, prediction_set_size=2)


def watching(reference: Distributions | None) -> tuple[Drift, CollectorRegistry]:
    drift, registry = Drift(), CollectorRegistry()
    registry.register(drift)
    drift.compare_with(reference)
    return drift, registry


def index_of(registry: CollectorRegistry, quantity: str) -> float | None:
    return registry.get_sample_value("pneumoscope_stability_index", {"quantity": quantity})


def samples(registry: CollectorRegistry) -> Iterator[str]:
    return (sample.name for family in registry.collect() for sample in family.samples)


def test_the_index_is_that_of_the_formula() -> None:
    expected = 0.2 * math.log(0.7 / 0.5) + 0.2 * math.log(0.5 / 0.3)
    assert stability_index([250, 250], [700, 300]) == pytest.approx(expected)
    assert stability_index([700, 300], [250, 250]) == pytest.approx(expected)
    assert stability_index([3, 5, 0], [30, 50, 0]) == 0


def test_an_empty_bin_is_half_an_image() -> None:
    found = stability_index([100, 0], [190, 10])
    assert found == pytest.approx(-0.05 * math.log(0.95) + 0.045 * math.log(0.05 / 0.005))


@pytest.mark.parametrize("bins", [2, 6, 11])
def test_samples_that_are_drawn_alike_seldom_alarm(bins: int) -> None:
    random = np.random.default_rng(bins)
    shares = random.dirichlet(np.ones(bins))
    indices = [
        stability_index(*(random.multinomial(LEAST, shares).tolist() for _ in range(2)))
        for _ in range(2000)
    ]
    assert np.mean(indices) == pytest.approx((bins - 1) * 2 / LEAST, rel=0.25)
    assert np.mean(np.array(indices) > 0.25) < 0.02


def test_numbers_fall_into_bins_and_words_are_bins() -> None:
    assert dict(ORDINARY.bins()) == {
        "probability": "0.1",
        "prediction_set_size": "1",
        "novelty": "0.6",
        "lung_share": "0.3",
        "brightness": "0.5",
        "format": "DICOM",
        "view": "PA",
        "age_group": "40-64",
    }
    assert dict(ORDINARY._replace(novelty=4.01, view=None).bins())["novelty"] == ">4"
    assert "view" not in dict(ORDINARY._replace(view=None).bins())
    for extreme in (0.0, 1.0):
        assert dict(ORDINARY._replace(probability=extreme).bins())["probability"] in ("0.1", "1.0")


def test_every_format_that_is_read_has_a_bin() -> None:
    read = {name for _, name in formats._MAGIC} | {"WEBP", formats.DICOM}
    assert read == set(BINS["format"])


def test_what_no_image_says_is_in_no_distribution() -> None:
    found = count(
        [ORDINARY._replace(view=None, age_group=None)] * 3 + [STRANGE._replace(age_group=None)]
    )
    assert set(found) == set(BINS) - {"age_group"}
    assert found["view"] == dict.fromkeys(BINS["view"], 0) | {"PA": 1}
    assert found["novelty"]["0.6"] == 3


def test_nothing_is_told_without_a_reference() -> None:
    compared, registry = watching(None)
    for _ in range(LEAST):
        compared.add(ORDINARY)
    assert list(samples(registry)) == []


@pytest.mark.parametrize(
    "counts",
    [
        {"1": LEAST - 1, "2": 0, ">2": 0},
        {"1": LEAST, "2": 0},
        {"1": LEAST, "2": 0, ">3": 0},
    ],
)
def test_nothing_is_told_of_few_images_or_other_bins(counts: dict[str, int]) -> None:
    compared, registry = watching({"prediction_set_size": counts, "shoe_size": {"40": 900}})
    for _ in range(LEAST):
        compared.add(ORDINARY)
    assert list(samples(registry)) == []


def test_the_order_of_bins_in_a_file_does_not_matter() -> None:
    _, registry = watching({"prediction_set_size": {">2": 0, "2": 50, "1": 150}})
    told = {"quantity": "prediction_set_size", "bin": "2"}
    assert registry.get_sample_value("pneumoscope_reference_share", told) == 0.25


def test_the_latest_readings_are_compared() -> None:
    compared, registry = watching(count([ORDINARY] * 190 + [STRANGE] * 10))
    for number in range(LEAST):
        assert index_of(registry, "novelty") is None
        compared.add(STRANGE if number % 20 == 0 else ORDINARY)
    assert index_of(registry, "novelty") == 0
    assert index_of(registry, "view") == 0

    for _ in range(WINDOW):
        compared.add(STRANGE)
    assert (index_of(registry, "novelty") or 0) > 0.25
    assert index_of(registry, "view") == 0
    told = {"quantity": "novelty", "bin": "1.25"}
    assert registry.get_sample_value("pneumoscope_recent_share", told) == 1
    assert registry.get_sample_value("pneumoscope_reference_share", told) == 0.05

    for number in range(WINDOW):
        compared.add(STRANGE if number % 20 == 0 else ORDINARY)
    assert index_of(registry, "novelty") == 0


def test_images_that_do_not_say_it_are_not_compared() -> None:
    compared, registry = watching(count([ORDINARY] * LEAST))
    for _ in range(LEAST):
        compared.add(ORDINARY._replace(view=None))
    assert index_of(registry, "view") is None
    assert index_of(registry, "format") == 0


def test_another_reference_begins_anew() -> None:
    compared, registry = watching(count([ORDINARY] * LEAST))
    for _ in range(LEAST):
        compared.add(STRANGE)
    assert index_of(registry, "novelty")
    compared.compare_with(count([STRANGE] * LEAST))
    assert index_of(registry, "novelty") is None
    compared.compare_with(None)
    assert list(samples(registry)) == []


def test_a_window_never_holds_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "WINDOW", 5)
    compared = drift._Compared([1, 1])
    for number in range(20):
        compared.add(int(number >= 18))
    assert compared.latest == [3, 2]
