import json
from pathlib import Path
from typing import Any

import keras
import pytest
from typer.testing import CliRunner

from tests.training import tiny
from training import ablation, augmentation, model, shift
from training.cli import app

IDEAS = ["no augmentation", "all images alike"]


def trunk(backbone: str, weights: str, side: int) -> tuple[Any, ...]:
    """What stands in for `model.pretrained`: one convolution."""
    rgb = keras.Input((side, side, 3))
    features = keras.layers.Conv2D(4, 16, strides=16, activation="relu")(rgb)
    return keras.Model(rgb, features), lambda pixels: pixels / 255.0, []


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chests")
    tiny.images(folder / "train", patients=60)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "pretrained", trunk)
    monkeypatch.setattr(ablation, "_WARM_UP", 1)
    monkeypatch.setattr(ablation, "EPOCHS", 1)


def ablate(chests: Path, out: Path, *ideas: str) -> tuple[int, str]:
    options = [part for idea in ideas for part in ("--idea", idea)]
    arguments = ["ablate", str(chests), "--out", str(out), "--weights", "none", *options]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_each_idea_changes_the_base() -> None:
    base, *others = ablation.IDEAS.values()
    assert base == ablation.Idea()
    assert base not in others
    assert len(set(others)) == len(others)
    for idea in others:
        assert set(idea.without) <= set(augmentation.FAMILIES)


def test_every_idea_gets_a_row_and_is_fitted_once(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output = ablate(chests, tmp_path, *IDEAS)
    assert code == 0, output
    for idea in IDEAS:
        found = json.loads((tmp_path / f"{idea}.json").read_text())
        assert found["taken"].keys() == {"as they are", *shift.changed()}
        area = found["acquisition"]["against"]["roc_auc"]
        assert any(
            line.startswith(f"| {idea} |") and f" {area:.3f} " in line
            for line in output.splitlines()
        )
    monkeypatch.setattr(keras.Model, "fit", None)
    code, again = ablate(chests, tmp_path, *IDEAS)
    assert code == 0
    assert again.strip().splitlines() == output.strip().splitlines()[-4:]


def test_an_unknown_idea_is_a_usage_error_that_names_the_known_ones(
    chests: Path, tmp_path: Path
) -> None:
    code, output = ablate(chests, tmp_path, "more luck")
    assert code == 2
    assert "averaged weights" in output


def test_averaged_weights_are_those_of_the_optimizer(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finalized: list[int] = []

    def record(optimizer: keras.optimizers.Optimizer, variables: list[Any]) -> None:
        finalized.append(len(optimizer._model_variables_moving_average))

    monkeypatch.setattr(keras.optimizers.AdamW, "finalize_variable_values", record)
    ablate(chests, tmp_path, "averaged weights")
    assert finalized == [4]
