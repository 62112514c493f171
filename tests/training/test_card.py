"""The model card of the tiny model."""

import json
import re

import pytest

from model_store.store import ModelVersion


@pytest.fixture(scope="module")
def card(tiny_model: ModelVersion) -> str:
    return (tiny_model.path / "MODEL_CARD.md").read_text()


def test_every_figure_that_the_card_shows_is_there(tiny_model: ModelVersion, card: str) -> None:
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", card)

    assert len(shown) == 4
    assert all((tiny_model.path / figure).is_file() for figure in shown)


def test_every_figure_has_an_interval_on_both_held_out_parts(card: str) -> None:
    number = r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)"

    for title in ("accuracy", "ROC AUC", "PR AUC", "sensitivity", "specificity"):
        assert re.search(rf"^\| {title} \| {number} \| {number} \|$", card, re.MULTILINE)
    assert "24 images of 24 patients | 40 images of 40 patients" in card


def test_the_card_repeats_the_manifest(tiny_model: ModelVersion, card: str) -> None:
    manifest = json.loads((tiny_model.path / "model.json").read_text())

    assert f"at least {manifest['calibration']['operating_point']['threshold']}" in card
    assert manifest["provenance"]["command"] in card
    assert f"keras {manifest['provenance']['versions']['keras']}" in card
    assert "{" not in card
