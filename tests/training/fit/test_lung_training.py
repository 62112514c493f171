"""The training of the finder of lungs: its rounds, whom it holds out, and how it resumes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from tests import synthetic
from tests.training import tiny
from tests.training.data.datasets import copies
from tests.training.fit.killing import Killed, kill
from training.data import labelled, negatives
from training.data.datasets import find_all
from training.data.datasets import lungs as masks
from training.data.labelled import DataError
from training.fit import curves, distortion, lung_training, lungs, resuming
from training.fit.distortion import Masked, MaskedBatches
from training.fit.lung_training import Config

PATIENTS, ADULTS = 12, 6
FIRST, SECOND = lung_training.ROUNDS


def build(seed: int = 0) -> keras.Model:
    """What stands in for `lungs.build`: one convolution of the halved image."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((224, 224, 1))
    x = keras.layers.Rescaling(1 / 100, -1)(keras.layers.AveragePooling2D(2)(image))
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same", name="lung")(x))


def unrelated(seed: int) -> dict[str, Any]:
    return {"noise": np.random.default_rng(seed).integers(0, 256, (2, 224, 224, 1), np.uint8)}


def make_tiny(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lungs, "build", build)
    patch.setattr(negatives, "unrelated", unrelated)
    patch.setattr(lung_training, "_BATCH_SIZE", 4)
    patch.setattr(lung_training, "_WARM_UP", 1)
    # What is tested here are rounds, which such a finder would not be sure enough for.
    patch.setattr(lung_training, "_LEAST_CERTAINTY", 0.0)
    patch.setattr(lung_training, "_LEAST_SHARE", 0.0)
    patch.setattr(distortion, "distorted", lambda image, mask, random: (image, mask))


@pytest.fixture(autouse=True)
def tiny_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Children with drawn masks of their lungs, which are what is dark, and adults without."""
    folder = tmp_path_factory.mktemp("sets")
    tiny.images(folder / "children" / "train", PATIENTS)
    for path in (folder / "children" / "train").rglob("*.png"):
        mask = folder / "children" / "lungs" / path.parent.name / path.name
        mask.parent.mkdir(parents=True, exist_ok=True)
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        mask.write_bytes(synthetic.encode((image < 110).astype(np.uint8) * 255))
    rows = [
        {"file": f"{label}{i}.png", "label": label, "age": "40"}
        for label in labelled.LABELS
        for i in range(ADULTS)
    ]
    copies.table(folder / "adults", rows)
    return folder


def config(folder: Path, **changes: Any) -> Config:
    given: dict[str, Any] = {
        "sets": (f"kermany={folder / 'children'}", f"table={folder / 'adults'}"),
        "masks": str(folder / "children"),
        "epochs": 3,
        "more_epochs": 2,
        "learning_rate": 1e-2,
        "seed": 0,
    }
    return Config(**(given | changes))


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        make_tiny(patch)
        lung_training.fit(config(folder), run)
    return run


def epochs(run: Path, part: str) -> list[int]:
    return [int(row["epoch"]) for row in resuming.log(run / part)]


def learnt(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> list[Masked]:
    """What each round of a fit learns from."""
    seen: list[Masked] = []
    original = MaskedBatches

    def record(images: Masked, *rest: Any) -> Any:
        seen.append(images)
        return original(images, *rest)

    monkeypatch.setattr(lung_training, "MaskedBatches", record)
    lung_training.fit(config(folder, epochs=1, more_epochs=1, **changes), run)
    return seen


def pixels_of(samples: list[labelled.Sample]) -> set[bytes]:
    return {image.tobytes() for image in labelled.load(samples, "").pixels}


def test_a_run_keeps_its_configuration_command_logs_and_weights(finished: Path) -> None:
    assert json.loads((finished / "config.json").read_text())["epochs"] == 3
    assert (finished / "command.txt").read_text().startswith("python -m training ")
    assert (epochs(finished, FIRST), epochs(finished, SECOND)) == ([0, 1, 2], [0, 1])
    assert (finished / curves.FILE_NAME).exists()
    for part in lung_training.ROUNDS:
        assert {path.name for path in (finished / part).iterdir()} == {
            "log.csv",
            lung_training.WEIGHTS,
        }
    losses = [float(row["loss"]) for row in resuming.log(finished / FIRST)]
    assert losses[-1] < losses[0]
    found, expected = lung_training.load(finished), build(5)
    expected.load_weights(finished / SECOND / lung_training.WEIGHTS)
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_dice_coefficients_of_held_out_images_are_kept(finished: Path, folder: Path) -> None:
    told = lung_training.measured(finished)
    assert told.keys() == {labelled.VALIDATION, labelled.CALIBRATION}
    parts = labelled.split(find_all(config(folder).sets), 0)
    for part, one in told.items():
        assert one.images == sum(sample.population == "child" for sample in parts[part])
        assert 0 <= one.lowest_percent <= one.median <= 1
        assert 0 <= one.mean <= 1


def test_held_out_patients_take_part_in_no_round(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = learnt(folder, tmp_path, monkeypatch)
    parts = labelled.split(find_all(config(folder).sets), 0)
    nothing = {image.tobytes() for image in unrelated(1)["noise"]}
    children = pixels_of([s for s in parts[labelled.TRAIN] if s.population == "child"])
    assert {image.tobytes() for image in first.pixels} == children | nothing
    assert {image.tobytes() for image in second.pixels} == pixels_of(
        parts[labelled.TRAIN]
    ) | nothing


def test_the_second_round_learns_what_the_first_one_answers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = learnt(folder, tmp_path, monkeypatch)
    finder = build()
    finder.load_weights(tmp_path / FIRST / lung_training.WEIGHTS)
    others = slice(len(first), None)
    answered = lungs.mark(finder, second.pixels[others]).astype(np.float32) / 255
    np.testing.assert_allclose(second.masks[others], answered, atol=1 / 255)
    np.testing.assert_array_equal(second.masks[: len(first)], first.masks)
    # In images that show no lungs there is nothing to mark.
    assert first.masks[-2:].max() == 0


def test_what_it_is_not_sure_of_is_not_learnt(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lung_training, "_LEAST_SHARE", 1.1)
    first, second = learnt(folder, tmp_path, monkeypatch)
    assert len(second) == len(first)


def test_where_all_sets_have_masks_there_is_one_round(folder: Path, tmp_path: Path) -> None:
    children = (f"kermany={folder / 'children'}",)
    lung_training.fit(config(folder, sets=children, epochs=1), tmp_path)
    assert not (tmp_path / SECOND).exists()
    assert (tmp_path / lung_training.WEIGHTS).exists()


def test_v7s_masks_are_of_the_childrens_images(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path | None] = []
    original = masks.find

    def find(drawn: Path, images: Path | None = None) -> Any:
        asked.append(images)
        return original(drawn)

    monkeypatch.setattr(masks, "find", find)
    learnt(folder, tmp_path, monkeypatch)
    assert asked == [folder / "children"]


def test_masks_of_other_images_are_refused(folder: Path, tmp_path: Path) -> None:
    tiny.images(tmp_path / "others" / "train", PATIENTS)
    others = (f"kermany={tmp_path / 'others'}",)
    with pytest.raises(DataError, match="nobody drew a mask for any of"):
        lung_training.fit(config(folder, sets=others), tmp_path / "run")


def killed_after(
    method: str, when: Callable[..., bool], folder: Path, run: Path, owner: Any
) -> None:
    """A fit that is killed after a call for which `when` holds."""
    with pytest.MonkeyPatch.context() as patch:
        kill(patch, owner, method, when)
        with pytest.raises(Killed):
            lung_training.fit(config(folder), run)


@pytest.mark.parametrize(
    ("callback", "method", "second"),
    [
        (keras.callbacks.CSVLogger, "on_epoch_end", False),
        (keras.callbacks.BackupAndRestore, "on_epoch_end", True),
        (keras.callbacks.BackupAndRestore, "on_train_end", False),
    ],
)
def test_a_killed_fit_goes_on_where_it_was(
    callback: type,
    method: str,
    second: bool,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def when(_: Any, epoch: Any = None, *rest: Any) -> bool:
        return epoch in {None, 1} and (tmp_path / SECOND).exists() == second

    if method == "on_train_end":
        killed_after(method, lambda *_: True, folder, tmp_path, callback)
    else:
        killed_after(method, when, folder, tmp_path, callback)
    before = epochs(tmp_path, SECOND if second else FIRST)
    trained: list[int] = []
    monkeypatch.setattr(
        curves.Curves, "on_epoch_end", lambda _, epoch, logs=None: trained.append(epoch)
    )
    lung_training.fit(config(folder), tmp_path)
    assert (epochs(tmp_path, FIRST), epochs(tmp_path, SECOND)) == ([0, 1, 2], [0, 1])
    # An epoch whose backup was written is not trained again.
    lost = callback is keras.callbacks.CSVLogger
    assert len(trained) == 5 - len(before) + lost - 3 * second
    assert not (tmp_path / FIRST / "backup").exists()


def test_a_finished_run_is_not_trained_again(
    finished: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.Model, "fit", None)
    told = lung_training.measured(finished)
    assert lung_training.fit(config(folder), finished) == finished / lung_training.WEIGHTS
    assert lung_training.measured(finished) == told


def test_a_run_of_another_configuration_is_refused(finished: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="holds another fit"):
        lung_training.fit(config(folder, seed=1), finished)


def test_an_unfinished_run_gives_no_finder(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run", ignore=lambda *_: {lung_training.WEIGHTS})
    with pytest.raises(DataError, match="holds no finished lung finder"):
        lung_training.load(tmp_path / "run")
