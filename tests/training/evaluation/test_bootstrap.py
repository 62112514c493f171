"""Patients are drawn whole, and every resample has both labels."""

import numpy as np

from training.evaluation import bootstrap


def test_a_patient_is_drawn_whole() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    draws = np.concatenate(list(bootstrap._draws(["a", "a", "b", "c", "c"], truth, 250)))
    assert draws.shape == (250, 5)
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 3] == draws[:, 4]).all()
    assert (draws[:, 2] + draws[:, 3] == 2).all()
    assert set(draws[:, 3]) == {0, 1, 2}


def test_every_resample_has_both_labels() -> None:
    """Even where a label is found with one patient only, alone or beside the other label."""
    for patients, truth in ((["a", "b", "c"], [1, 0, 0]), (["a", "a", "b", "c"], [1, 0, 0, 0])):
        draws = np.concatenate(list(bootstrap._draws(patients, np.array(truth), 300)))
        assert (draws @ np.array(truth) > 0).all()
        assert (draws @ (1 - np.array(truth)) > 0).all()
