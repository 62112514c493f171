import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from training.data.labelled import Sample
from training.evaluation import calibrate, groups
from training.evaluation.measured import to_json
from training.evaluation.suitability import Suitability
from training.evaluation.weighted import Answered


def samples(count: int, **attributes: object) -> list[Sample]:
    """As many images of each label, two of each patient."""
    name = "-".join(map(str, attributes.values()))
    return [
        Sample(Path(f"{i}.png"), label, f"{name} {label} {i // 2}", **attributes)  # type: ignore[arg-type]
        for label in (0, 1)
        for i in range(count)
    ]


def answered(found: list[Sample]) -> Answered:
    """Scores that partly tell the labels."""
    truth = np.array([sample.label for sample in found])
    random = np.random.default_rng(5)
    scores = np.clip(random.normal(0.35 + 0.3 * truth, 0.2), 0, 1)
    sets = np.stack([scores < 0.7, scores > 0.3], axis=1)
    return Answered(truth, scores, (scores >= 0.5).astype(np.int64), sets)


def measured(told: Answered, found: list[Sample]) -> dict[str, Any]:
    """As `metrics.json` holds it; nothing is strange."""
    nothing = np.zeros(len(found), bool)
    return to_json(groups.measure(told, Suitability(nothing, nothing), found, 200))


def test_a_site_that_knows_no_ages_has_views_and_sexes() -> None:
    found = [*samples(10, sex="F", view="AP"), *samples(10, sex="F", view="PA")]
    sizes = {name: int(mask.sum()) for name, mask in groups.masks_of_site(found).items()}
    assert sizes == {"AP": 20, "PA": 20, "female": 40}


def test_a_group_of_a_site_has_one_name() -> None:
    adults = [
        *samples(10, population="adult", sex="F", view="AP"),
        *samples(10, population="adult", sex="F", view="PA"),
    ]
    found = groups.masks_of_site([*adults, *samples(10, population="child", view="PA")])
    assert set(found) == {"children", "adults", "adults AP", "adults PA", "women", "PA"}


def test_groups_are_told_by_what_is_known() -> None:
    found = [
        *samples(10, population="child", source="kermany"),
        *samples(10, population="child", source="adult", age=7.5, sex="F", view="AP"),
        *samples(10, population="adult", source="adult", age=65.0, sex="F", view="AP"),
        *samples(10, population="adult", source="adult", age=64.9, sex="M", view="PA"),
        *samples(10, population="unknown", source="adult", sex="M", view="PA"),
    ]
    blocks = {
        name: np.flatnonzero(mask.reshape(5, 20).all(axis=1)).tolist()
        for name, mask in groups.masks(found).items()
    }
    assert blocks == {
        "children": [0, 1],
        "adults": [2, 3],
        "adults AP": [2],
        "adults PA": [3],
        "women": [2],
        "men": [3],
        "aged 6-17": [1],
        "aged 40-64": [3],
        "aged 65+": [2],
        "from adult": [1, 2, 3, 4],
        "from kermany": [0],
    }
    assert sum(mask.sum() for mask in groups.masks(found).values()) == 20 * 16


def test_completed_years_tell_the_age_group() -> None:
    ages = {0.0: "0-5", 5.99: "0-5", 6.0: "6-17", 17.9: "6-17", 18.0: "18-39", 40.0: "40-64"}
    for age, name in ages.items():
        assert list(groups.masks(samples(10, age=age))) == [f"aged {name}"]


def test_a_group_of_few_images_of_a_label_is_left_out() -> None:
    found = samples(groups.LEAST, population="child")
    assert "children" in groups.masks(found)
    assert groups.masks(found[1:]) == {}
    assert groups.masks([]) == {}


def test_each_groups_figures_are_those_of_its_images() -> None:
    found = [*samples(60, population="child"), *samples(30, population="adult", view="AP")]
    told = answered(found)
    by_name = measured(told, found)
    assert list(by_name) == ["children", "adults", "adults AP"]
    mask = groups.masks(found)["adults"]
    truth, scores = told.truth[mask], told.scores[mask]
    figures = by_name["adults"]
    assert figures == by_name["adults AP"]
    counts = {key: figures[key] for key in ("n", "normal", "pneumonia", "patients")}
    assert counts == {"n": 60, "normal": 30, "pneumonia": 30, "patients": 30}
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(truth, scores))
    assert figures["pr_auc"] == pytest.approx(average_precision_score(truth, scores))
    assert figures["sensitivity"] == pytest.approx((scores[truth == 1] >= 0.5).mean())
    assert figures["specificity"] == pytest.approx((scores[truth == 0] < 0.5).mean())
    assert figures["coverage_normal"] == pytest.approx((scores[truth == 0] < 0.7).mean())
    assert figures["coverage_pneumonia"] == pytest.approx((scores[truth == 1] > 0.3).mean())
    error = calibrate.expected_error(scores, truth, np.ones((1, len(truth))))
    assert figures["ece"] == pytest.approx(error[0])
    for key, (low, high) in figures["intervals"].items():
        assert low < high
        if key != "ece":
            assert low <= figures[key] <= high
    json.dumps(by_name, allow_nan=False)


def test_intervals_draw_patients() -> None:
    """Each patient's images are alike, so that two of each tell no more than one."""
    single = samples(40, population="child")
    alone = [
        Sample(s.path, s.label, f"{s.label} {i}", population="child") for i, s in enumerate(single)
    ]
    once = answered(alone)
    each = np.repeat(np.arange(len(alone)), 2)
    twice = Answered(once.truth[each], once.scores[each], once.called[each], once.sets[each])
    doubled = measured(twice, [alone[i] for i in each])["children"]["intervals"]
    for key, interval in measured(once, alone)["children"]["intervals"].items():
        assert doubled[key] == pytest.approx(interval)
