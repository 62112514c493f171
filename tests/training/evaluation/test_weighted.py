"""Figures of weighted images, against scikit-learn and against plain loops."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    classification_report,
    roc_auc_score,
)

from tests.training.evaluation.scored import overlapping, pairs
from training.data import labelled
from training.evaluation import weighted


@pytest.fixture
def weights() -> np.ndarray:
    """`[10, 80]`, how often ten resamples drew 80 images."""
    return np.random.default_rng(5).integers(0, 4, (10, 80)).astype(float)


def answered() -> weighted.Answered:
    """80 images, with prediction sets of none, one or both of the labels."""
    scores, truth, _ = overlapping(80)
    sets = np.random.default_rng(6).random((80, 2)) < 0.7
    return weighted.Answered(truth, scores, (scores >= 0.5).astype(np.int64), sets)


def test_weighted_figures_are_those_of_scikit_learn(weights: np.ndarray) -> None:
    probabilities, labels, _ = overlapping(80)
    called = (probabilities >= 0.5).astype(int)
    areas = weighted.areas(weights, probabilities, labels)
    reports = weighted.reports(weighted.matrices(weights, labels, called))
    for row, weight in enumerate(weights):
        given = {"sample_weight": weight}
        assert areas[0, row] == pytest.approx(roc_auc_score(labels, probabilities, **given))
        assert areas[1, row] == pytest.approx(
            average_precision_score(labels, probabilities, **given)
        )
        expected = classification_report(
            labels, called, target_names=labelled.LABELS, output_dict=True, **given
        )
        for where, ours, theirs in pairs(reports, expected):
            assert np.asarray(ours)[row] == pytest.approx(theirs), where


def plain_ece(scores: Sequence[float], truth: Sequence[int]) -> float:
    """The definition, bin by bin."""
    error = 0.0
    for k in range(10):
        inside = [
            (score, label)
            for score, label in zip(scores, truth, strict=True)
            if k / 10 <= score < (k + 1) / 10 or (k == 9 and score == 1)
        ]
        if inside:
            expected = sum(score for score, _ in inside) / len(inside)
            observed = sum(label for _, label in inside) / len(inside)
            error += len(inside) / len(scores) * abs(expected - observed)
    return error


def test_what_probabilities_and_sets_are_worth_is_what_plain_loops_say(
    weights: np.ndarray,
) -> None:
    found = answered()
    trust = weighted.trust(weights, found)
    for row, weight in enumerate(weights.astype(int)):
        # A weight of n is n copies of the image.
        drawn = [i for i in range(80) for _ in range(weight[i])]
        scores, truth = found.scores[drawn].tolist(), found.truth[drawn].tolist()
        sets = [{label for label in (0, 1) if found.sets[i, label]} for i in drawn]
        expected = {
            "ece": plain_ece(scores, truth),
            "brier": brier_score_loss(truth, scores),
            "read_by_a_person": sum(len(labels) != 1 for labels in sets) / len(sets),
        }
        for label, key in enumerate(("coverage_normal", "coverage_pneumonia")):
            theirs = [held for held, true in zip(sets, truth, strict=True) if true == label]
            expected[key] = sum(label in held for held in theirs) / len(theirs)
        assert {key: values[row] for key, values in trust.items()} == pytest.approx(expected)
