"""Views of images, judged by features that nobody trained."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from tests import synthetic
from tests.training import tiny
from tests.training.data.datasets import copies
from training.ablate import app
from training.data import datasets, labelled
from training.evaluation import ablation
from training.fit import lung_training, lungs, model

VIEWS = [ablation.WHOLE, "both looks"]
GROUPS = ["run IM", "run NORMAL2-IM", "adults AP"]


def trunk(backbone: str, weights: str) -> tuple[Any, ...]:
    """What stands in for `model.pretrained`: maps of an eighth and of a sixteenth of the side."""
    keras.utils.set_random_seed(0)
    rgb = keras.Input((224, 224, 3))
    fine = keras.layers.Conv2D(6, 8, strides=8, activation="relu")(rgb)
    coarse = keras.layers.Conv2D(5, 2, strides=2, activation="relu")(fine)
    return keras.Model(rgb, coarse), lambda pixels: pixels / 255.0, []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "pretrained", trunk)
    monkeypatch.setattr(lung_training, "load", tiny.finder)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Children of two runs of study numbers, and adults, half of them AP."""
    folder = tmp_path_factory.mktemp("sets")
    train = tiny.images(folder / "children" / "train", 24)
    for path in sorted((train / "NORMAL").iterdir())[:12]:
        path.rename(path.with_name(f"NORMAL2-{path.name}"))
    rows = [
        {"file": f"{label}{i}.png", "label": label, "age": 40, "view": ("AP", "PA")[i % 2]}
        for label in labelled.LABELS
        for i in range(12)
    ]
    copies.table(folder / "adults", rows)
    return [f"kermany={folder / 'children'}", f"table={folder / 'adults'}"]


@pytest.fixture(scope="module")
def images(sets: list[str]) -> labelled.Images:
    return labelled.load(datasets.find_all(sets), "images")


@pytest.fixture(scope="module")
def marked(images: labelled.Images) -> lungs.Gray:
    return lungs.mark(tiny.finder(Path()), images.pixels)


def ablate(sets: list[str], out: Path, *views: str) -> tuple[int, str]:
    options = [part for view in views for part in ("--view", view)]
    arguments = [*sets, "--lungs", "lungs", "--out", str(out), "--weights", "none"]
    result = CliRunner().invoke(app, [*arguments, *options], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_every_view_gets_a_row_and_is_measured_once(
    sets: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output = ablate(sets, tmp_path, *VIEWS)
    assert code == 0, output
    for view in VIEWS:
        found = json.loads((tmp_path / f"{view}.json").read_text())
        assert list(found["held_out"]) == ["child", "adult"]
        assert list(found["groups"]) == GROUPS
        assert [one["images"] for one in found["groups"].values()] == [12, 12, 6]
        assert found["look"].keys() == {"as_they_are", "pneumonias_look"}
        area = found["groups"]["run IM"]["roc_auc"]
        assert any(
            line.startswith(f"| {view} |") and f" {area:.4f} " in line
            for line in output.splitlines()
        )
    monkeypatch.setattr(ablation, "measure", None)
    code, again = ablate(sets, tmp_path, *VIEWS)
    assert code == 0
    assert again.strip().splitlines() == output.strip().splitlines()[-4:]


def test_an_unknown_view_is_a_usage_error_that_names_the_known_ones(
    sets: list[str], tmp_path: Path
) -> None:
    code, output = ablate(sets, tmp_path, "more luck")
    assert code == 2
    assert "both looks" in output


def test_no_fit_sees_held_out_images_or_the_group_that_it_leaves_out(
    images: labelled.Images, marked: lungs.Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[npt.NDArray[np.bool_]] = []
    original = ablation._fitted

    def record(seen: Any, samples: Any, chosen: npt.NDArray[np.bool_]) -> Any:
        fitted.append(chosen)
        return original(seen, samples, chosen)

    monkeypatch.setattr(ablation, "_fitted", record)
    held_out = np.arange(len(images)) % 3 == 0
    network = ablation._network("none")
    ablation.measure("both looks", images, marked, held_out, network)
    whole, *others = fitted
    np.testing.assert_array_equal(whole, ~held_out)
    for group, chosen in zip(ablation.groups(images.samples), others, strict=True):
        np.testing.assert_array_equal(chosen, ~held_out & ~group.members)
        assert {images.samples[at].label for at in np.flatnonzero(group.members)} == {0}


def test_a_set_of_one_run_is_measured_without_groups(
    images: labelled.Images, marked: lungs.Gray
) -> None:
    """Where a group has all normal images, nothing is left to tell it from."""
    names = np.array([sample.path.name for sample in images.samples])
    chosen = np.char.startswith(names, "IM-") | np.char.startswith(names, "person")
    few = labelled.Images(
        [images.samples[i] for i in np.flatnonzero(chosen)], images.pixels[chosen]
    )
    held_out = np.arange(len(few)) % 3 == 0
    found = ablation.measure(
        ablation.WHOLE, few, marked[chosen], held_out, ablation._network("none")
    )
    assert found.groups == {}
    assert list(found.held_out) == ["child"]


def test_the_whole_image_is_seen_as_it_is_and_pooled_everywhere(
    images: labelled.Images, marked: lungs.Gray
) -> None:
    shown, cells = ablation._shown(ablation.WHOLE, images.pixels[:2], marked[:2])
    found = keras.ops.convert_to_numpy(shown)
    assert found.shape == (2, 224, 224, 3)
    for channel in range(3):
        np.testing.assert_allclose(found[..., channel], images.pixels[:2, ..., 0], atol=0.01)
    counts = keras.ops.convert_to_numpy(cells)
    np.testing.assert_allclose(counts, np.full((2, 14, 14, 1), 64), rtol=1e-3)


def test_other_views_see_the_box_around_the_lungs(
    images: labelled.Images, marked: lungs.Gray
) -> None:
    seen = {}
    for view in ablation.VIEWS:
        shown, cells = ablation._shown(view, images.pixels[:2], marked[:2])
        seen[view] = keras.ops.convert_to_numpy(shown)
        if view != ablation.WHOLE:
            held = keras.ops.convert_to_numpy(cells).sum((1, 2, 3))
            np.testing.assert_allclose(held, marked[:2].sum((1, 2, 3)) / 255, rtol=0.05)
    looks = [seen[view][..., 0] for view in list(ablation.VIEWS)[2:4]]
    both = seen["both looks"]
    np.testing.assert_allclose(both[..., 0], looks[0], atol=0.01)
    np.testing.assert_allclose(both[..., 1], looks[1], atol=0.01)
    np.testing.assert_allclose(both[..., 2], (looks[0] + looks[1]) / 2, atol=0.01)


def test_features_are_pooled_over_the_field_and_over_the_lungs(
    images: labelled.Images, marked: lungs.Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = ablation._network("none")
    monkeypatch.setattr(ablation, "_BATCH", 3)
    found = ablation.features("both looks", images.pixels[:5], marked[:5], network)
    assert found.shape == (5, 6 + 5)
    shown, cells = ablation._shown("both looks", images.pixels[:5], marked[:5])
    fine, coarse = network.predict_on_batch(shown)
    counts = keras.ops.convert_to_numpy(cells)
    np.testing.assert_allclose(found[:, :6], fine.mean((1, 2)), atol=1e-3)
    pooled = (coarse * counts).sum((1, 2)) / counts.sum((1, 2))
    np.testing.assert_allclose(found[:, 6:], pooled, atol=1e-3)


def test_images_get_the_tone_and_the_detail_of_others() -> None:
    """Sharp, dark images the look of soft, bright ones."""
    random = np.random.default_rng(0)
    grain = random.normal(size=(4, 224, 224))
    sharp = np.clip(60 + 12 * grain, 0, 255).astype(np.uint8)[..., np.newaxis]
    chests = np.stack([synthetic.chest(i, size=(224, 224)) for i in range(4)])
    soft = np.clip(90 + chests * 0.5, 0, 255).astype(np.uint8)[..., np.newaxis]
    everywhere = np.full((4, 112, 112, 1), 255, np.uint8)
    given = ablation.given_look(sharp, everywhere, (soft, everywhere))
    assert given.shape == sharp.shape
    inside = np.ones((224, 224), bool)

    def details(pixels: lungs.Gray) -> npt.NDArray[Any]:
        return np.median([ablation._details(one, inside) for one in pixels[..., 0]], axis=0)

    assert np.abs(details(given) - details(soft)).max() < 0.3 * details(sharp).max()
    assert details(given)[0] < 0.5 * details(sharp)[0]
    assert given.mean() == pytest.approx(soft.mean(), abs=10)


def test_an_image_without_lungs_keeps_its_look() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 1), np.uint8)
    nowhere, everywhere = (np.full((2, 112, 112, 1), level, np.uint8) for level in (0, 255))
    given = ablation.given_look(pixels, nowhere, (pixels // 2, everywhere))
    np.testing.assert_array_equal(given, pixels)
