from pathlib import Path

import numpy as np
import pytest

from training.data import balance
from training.data.labelled import Sample


def samples(source: str, normal: int, pneumonia: int, weight: float = 1.0) -> list[Sample]:
    labels = [0] * normal + [1] * pneumonia
    return [
        Sample(Path(f"{source}{i}.png"), label, str(i), source=source, weight=weight)
        for i, label in enumerate(labels)
    ]


def test_every_label_of_every_set_counts_alike() -> None:
    found = [*samples("children", 10, 30), *samples("adults", 4, 2)]
    weights = balance.weights(found)
    cells = np.array([f"{sample.source} {sample.label}" for sample in found])
    totals = [weights[cells == cell].sum() for cell in np.unique(cells)]
    assert totals == pytest.approx([len(found) / 4] * 4)
    assert weights.mean() == pytest.approx(1)
    assert weights.dtype == np.float32


def test_within_a_label_a_sample_counts_by_its_own_weight() -> None:
    sure, doubtful = samples("adults", 5, 5), samples("adults", 5, 0, weight=0.3)
    weights = balance.weights([*sure, *doubtful])
    assert weights[-1] / weights[0] == pytest.approx(0.3)
    assert weights[:5].sum() + weights[10:].sum() == pytest.approx(weights[5:10].sum())


def test_a_set_of_a_single_label_is_no_heavier_than_another_label() -> None:
    weights = balance.weights([*samples("children", 6, 6), *samples("adults", 3, 0)])
    assert weights[-3:].sum() == pytest.approx(weights[:6].sum())
