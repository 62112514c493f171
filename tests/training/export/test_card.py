"""The model card of the tiny model."""

import json
import re

import pytest

from model_store.store import ModelVersion
from tests import pages
from training.evaluation.measured import TITLES


@pytest.fixture(scope="module")
def card(tiny_model: ModelVersion) -> str:
    return (tiny_model.path / "MODEL_CARD.md").read_text()


def test_every_figure_that_the_card_shows_is_there(tiny_model: ModelVersion, card: str) -> None:
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", card)

    assert len(shown) == 7
    assert all((tiny_model.path / figure).is_file() for figure in shown)


def test_every_figure_has_an_interval_on_each_held_out_part_and_on_both(card: str) -> None:
    number = r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)"

    assert "|  | validation | calibration | both |" in card
    for title in TITLES.values():
        row = rf"^\| {re.escape(title)} \|( {number} \|){{3}}$"
        assert re.search(row, card, re.MULTILINE)
    images = "24 images of 24 patients | 40 images of 40 patients | 64 images of 64 patients"
    assert images in card


def test_both_parts_together_are_the_images_of_each(tiny_model: ModelVersion) -> None:
    metrics = json.loads((tiny_model.path / "metrics.json").read_text())

    parts = [metrics[name]["confusion_matrix"] for name in ("validation", "calibration")]
    summed = [
        [sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*parts, strict=True)
    ]
    assert metrics["both"]["confusion_matrix"] == summed


def test_the_card_repeats_the_manifest(tiny_model: ModelVersion, card: str) -> None:
    manifest = json.loads((tiny_model.path / "model.json").read_text())

    assert f"at least {manifest['calibration']['operating_point']['threshold']}" in card
    assert manifest["provenance"]["command"] in card
    assert f"keras {manifest['provenance']['versions']['keras']}" in card
    assert "{" not in card


def test_the_card_is_one_html_file_too(tiny_model: ModelVersion, card: str) -> None:
    page = (tiny_model.path / "MODEL_CARD.html").read_text()

    pictures, fetched = pages.read(page)
    assert (len(pictures), fetched) == (7, [])
    assert "<title>pneumonia 1</title>" in page
    headings = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert re.findall(r"<h2>(.+?)</h2>", page) == headings


def test_the_explanations_of_the_validation_part_are_checked(card: str) -> None:
    assert "On 24 images the pixels that argue most" in card
