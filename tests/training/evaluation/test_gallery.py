from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.imaging.overlay import overlay
from app.inference.contract import Answers
from app.reading.lungs import outline
from tests import synthetic
from tests.answered import SIDE, answers
from training import drawing
from training.data.labelled import Sample
from training.evaluation import gallery


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Eight images without and two with pneumonia, 200 x 300 pixels."""
    folder = tmp_path_factory.mktemp("gallery")
    found = []
    for index in range(10):
        path = folder / f"{index}.png"
        path.write_bytes(synthetic.encode(synthetic.chest(index, size=(200, 300))))
        found.append(Sample(path, int(index >= 8), str(index)))
    return found


PROBABILITIES = np.array([0.0, 0.01, 0.02, 0.03, 0.2, 0.4, 0.7, 0.9999, 0.8, 0.9])


def found() -> Answers:
    """Maps of noise."""
    cam = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    return answers(PROBABILITIES, cam=cam)


def shown(samples: list[Sample]) -> list[list[str]]:
    """What each row of the gallery says: heading, captions, and what stands in for pictures."""
    cells = gallery.draw(samples, found(), 0.5).axes
    said = [texts(axes) + [axes.get_title()] * bool(axes.images) for axes in cells]
    return [list(chain(*said[row * 6 : row * 6 + 6])) for row in range(4)]


def test_the_gallery_spreads_right_answers_and_ranks_wrong_ones(samples: list[Sample]) -> None:
    assert shown(samples) == [
        ["True positives\n2 of 2\nPNEUMONIA", "P = 0.900", "P = 0.800"],
        [
            "True negatives\n6 of 8\nNORMAL",
            "P < 0.001",
            "P = 0.020",
            "P = 0.030",
            "P = 0.200",
            "P = 0.400",
        ],
        ["False positives\n2 of 8\nNORMAL", "P > 0.999", "P = 0.700"],
        ["False negatives\n0 of 2\nPNEUMONIA", "No example."],
    ]


def test_the_gallery_shows_pairs_of_the_original_aspect_ratio(samples: list[Sample]) -> None:
    picture = gallery._pair(samples[0].path, np.ones((7, 7), np.float32), "pneumonia", [])
    assert picture.shape == (200, 609, 3)
    plain, explained = picture[:, :300], picture[:, 309:]
    assert (plain == synthetic.chest(0, size=(200, 300))[:, :, np.newaxis]).all()
    assert explained[..., 0].mean() > explained[..., 2].mean() + 20


def test_the_overlay_has_the_lungs_outline_as_the_service_draws_it(samples: list[Sample]) -> None:
    cells = gallery.draw(samples, found(), 0.5).axes
    (picture,) = cells[6 + 1].images
    drawn = np.asarray(picture.get_array())[:, 309:]
    answered = found()
    pixels = synthetic.chest(0, size=(200, 300))
    curves = outline(answered.lungs[0])
    expected = overlay(pixels, answered.cam[0], "normal", 400, curves)[:, :, ::-1]
    np.testing.assert_array_equal(drawn, expected)
    assert not np.array_equal(expected, overlay(pixels, answered.cam[0], "normal", 400)[:, :, ::-1])


def test_ten_right_and_ten_wrong_answers_are_shown(samples: list[Sample]) -> None:
    many = [sample for sample in samples for _ in range(4)]
    many = [replace(sample, label=i // 20) for i, sample in enumerate(many)]
    scores = np.where(np.arange(40) % 2, 0.1, 0.9)
    cells = gallery.draw(many, answers(scores), 0.5).axes
    assert [
        sum(bool(axes.images) for axes in cells[row * 6 : row * 6 + 6]) for row in range(4)
    ] == [
        5,
        5,
        5,
        5,
    ]


def test_the_gallery_is_a_png_of_readable_size(samples: list[Sample], tmp_path: Path) -> None:
    figure = gallery.draw(samples, found(), 0.5)
    drawing.save(figure, tmp_path / "gallery.png")
    with Image.open(tmp_path / "gallery.png") as picture:
        assert 2200 < picture.width < 3200
        assert 900 < picture.height < 1500
