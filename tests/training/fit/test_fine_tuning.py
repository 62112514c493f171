import ast
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.training import tiny
from tests.training.fit.killing import Killed, kill
from training import command
from training.data import balance, labelled
from training.data.datasets import find_all
from training.fit import (
    augmentation,
    batches,
    curves,
    distortion,
    field,
    fine_tuning,
    lung_training,
    lungs,
    model,
    normalisation,
    resuming,
    view,
)
from training.fit.batches import Batches, TrainingBatches
from training.fit.fine_tuning import Config, RunError

# The last phase's area never grows after its first epoch: the rate falls to 30 % after each
# further one, and the fourth of them is the last.
LAST = 5
UNDISTURBED = [(epoch, tiny.STILL * 0.3 ** max(0, epoch - 1)) for epoch in range(LAST)]
PHASE = "3-all"
WEIGHTS = "final.weights.h5"
STEPS = 4  # an epoch's: 16 of the 20 images, 4 at a time


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chests")
    tiny.images(folder / "train")
    return folder


def make_tiny(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(model, "build", tiny.build)
    patch.setattr(lung_training, "load", tiny.finder)
    # To draw takes longer than an epoch.
    patch.setattr(curves, "write", lambda *_: None)


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


@pytest.fixture(scope="module")
def finished(chests: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        make_tiny(patch)
        fine_tuning.fit(tiny.config(chests), run)
    return run


def epochs(run: Path) -> list[tuple[int, float]]:
    """The epochs and learning rates of the last phase's log."""
    rows = resuming.log(run / PHASE)
    return [(int(row["epoch"]), float(row["learning_rate"])) for row in rows]


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A run whose first phases are done, and whose last has not begun."""
    return Path(shutil.copytree(finished, tmp_path / "run", ignore=lambda *_: {PHASE, WEIGHTS}))


def assert_as_undisturbed(run: Path) -> None:
    assert [epoch for epoch, _ in epochs(run)] == list(range(LAST))
    np.testing.assert_allclose(np.array(epochs(run)), np.array(UNDISTURBED), rtol=1e-4)
    assert (run / PHASE / "done").exists()
    assert not (run / PHASE / "backup").exists()
    assert [*(run / PHASE).glob("*.h5")] == [run / PHASE / "epoch-001.weights.h5"]
    assert fine_tuning.weights(run) == run / WEIGHTS


def killed_fit(config: Config, run: Path) -> None:
    with pytest.raises(Killed):
        fine_tuning.fit(config, run)


def killed_after(callback: type, epoch: int, config: Config, run: Path) -> None:
    """A fit that is killed after a callback has seen the end of an epoch of the last phase."""
    with pytest.MonkeyPatch.context() as patch:
        kill(
            patch,
            callback,
            "on_epoch_end",
            lambda _, finished, *rest: finished == epoch and (run / PHASE).exists(),
        )
        killed_fit(config, run)


def test_a_run_keeps_its_configuration_command_log_and_weights(finished: Path) -> None:
    assert json.loads((finished / "config.json").read_text())["backbone"] == "Tiny"
    assert (finished / "command.txt").read_text().startswith("python -m training ")
    assert {path.name for path in (finished / "1-head").iterdir()} == {
        "done",
        "log.csv",
        "epoch-001.weights.h5",
    }
    assert len(resuming.log(finished / "1-head")) == 1
    assert {"epoch", "loss", "auc", "val_loss", "val_auc", "learning_rate"} <= resuming.log(
        finished / PHASE
    )[0].keys()
    assert_as_undisturbed(finished)


def test_the_best_weights_are_those_of_the_largest_area_on_validation(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,val_auc\n0,0.5\n1,0.7\n2,0.6\n")
    assert fine_tuning._best(tmp_path) == tmp_path / "epoch-002.weights.h5"


def test_a_fit_learns_and_returns_weights_that_load(chests: Path, tmp_path: Path) -> None:
    config = tiny.config(chests, epochs=3, learning_rate=1e-2)
    best = fine_tuning.fit(config, tmp_path)
    losses = [float(row["loss"]) for row in resuming.log(tmp_path / PHASE)]
    assert losses[-1] < losses[0]
    network = tiny.build(seed=1)
    network.classifier.load_weights(best)
    nothing = np.zeros((1, 224, 224, 1)), np.zeros((1, 112, 112, 1))
    assert np.isfinite(network.classifier.predict(nothing, verbose=0)).all()


@pytest.mark.parametrize(
    ("start", "small_epochs", "names"),
    [
        (None, 2, ["1-head", "2-small", PHASE]),
        (None, 0, ["1-head", PHASE]),
        ("runs/before", 2, ["2-small", PHASE]),
        ("runs/before", 0, [PHASE]),
    ],
)
def test_only_what_starts_untrained_has_a_first_phase(
    chests: Path, start: str | None, small_epochs: int, names: list[str]
) -> None:
    config = tiny.config(chests, start=start, small_epochs=small_epochs)
    assert [phase.name for phase in fine_tuning.phases(config)] == names


def test_what_another_fit_has_learnt_is_kept(
    chests: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lungs").mkdir()
    Path("lungs/command.txt").write_text("lungs\n")
    going_on = tiny.config(chests, start=str(finished), epochs=1)

    weights = fine_tuning.fit(going_on, tmp_path / "on")

    assert sorted(path.name for path in (tmp_path / "on").iterdir() if path.is_dir()) == [PHASE]
    # It learns nothing, and so ends with what it began with.
    before, after = (_trained(path) for path in (finished / WEIGHTS, weights))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    commands = fine_tuning.commands(tmp_path / "on").split("\n")
    assert len(commands) == 3
    assert commands[0] == "lungs"


def test_a_fit_that_goes_on_draws_what_those_before_it_have_not_drawn(
    chests: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def record(*given: Any) -> Any:
        seeds.append(given[-1])
        return TrainingBatches(*given)

    monkeypatch.setattr(fine_tuning, "TrainingBatches", record)
    start = finished
    for name in ("on", "further"):
        fine_tuning.fit(tiny.config(chests, start=str(start), epochs=1), tmp_path / name)
        start = tmp_path / name
    fine_tuning.fit(tiny.config(chests, epochs=1), tmp_path / "anew")
    # The last one has two phases.
    assert len(set(seeds)) == len(seeds) == 4


def _trained(weights: Path) -> list[Any]:
    network = tiny.build(seed=3)
    network.classifier.load_weights(weights)
    return [weight.numpy() for weight in network.classifier.trainable_weights]


def test_averaged_weights_are_saved_and_the_training_goes_on_from_its_own(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Any] = []
    left: list[Any] = []
    averages: list[Any] = []
    checkpoint = keras.callbacks.ModelCheckpoint.on_epoch_end

    def save(callback: Any, epoch: int, logs: Any = None) -> None:
        saved.extend(weight.numpy().copy() for weight in callback.model.trainable_weights)
        checkpoint(callback, epoch, logs)

    def look(callback: Any, epoch: int, logs: Any = None) -> None:
        left.extend(weight.numpy().copy() for weight in callback.model.trainable_weights)
        kept = callback.model.optimizer._model_variables_moving_average
        averages.extend(average.numpy().copy() for average in kept)

    monkeypatch.setattr(keras.callbacks.ModelCheckpoint, "on_epoch_end", save)
    monkeypatch.setattr(fine_tuning.Recall, "on_epoch_end", look)
    fine_tuning.fit(
        tiny.config(chests, epochs=1, head_learning_rate=1e-2, learning_rate=1e-2), tmp_path
    )
    for was_saved, was_left, average in zip(saved, left, averages, strict=True):
        np.testing.assert_allclose(was_saved, average, atol=1e-6)
        assert np.abs(was_saved - was_left).max() > 1e-4


def test_the_weights_have_the_statistics_of_the_training_images_as_they_are(
    parts: tuple[labelled.Images, labelled.Images],
    chests: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[model.Network, Any, int]] = []
    monkeypatch.setattr(normalisation, "estimate", lambda *given: asked.append(given))
    fine_tuning.fit(tiny.config(chests, epochs=1), tmp_path)
    ((network, shown, batch_size),) = asked
    assert network.view.side == model.FIELD_SIDE
    assert batch_size == tiny.config(chests).batch_size
    given, expected = (
        sorted(image.tobytes() + share.tobytes() for image, share in zip(*pair, strict=True))
        for pair in (shown, (parts[0].pixels, marked(parts[0])))
    )
    assert given == expected


def test_what_came_with_weights_is_frozen_in_the_first_phase_only(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[set[str]] = []
    compiled = keras.Model.compile

    def record(classifier: keras.Model, *arguments: Any, **options: Any) -> None:
        trained.append({weight.path.split("/")[0] for weight in classifier.trainable_weights})
        compiled(classifier, *arguments, **options)

    monkeypatch.setattr(keras.Model, "compile", record)
    fine_tuning.fit(tiny.config(chests, epochs=1), tmp_path)
    assert trained == [{"dense"}, {"conv", "dense"}]


def test_the_curves_are_drawn_after_each_epoch_and_each_phase(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[int]] = []

    def write(run: Path, phases: list[str]) -> None:
        assert run == tmp_path
        drawn.append([len(resuming.log(run / phase)) for phase in phases])

    monkeypatch.setattr(curves, "write", write)
    fine_tuning.fit(tiny.config(chests, epochs=2), tmp_path)
    # The last epoch of a phase is drawn twice.
    assert drawn == [[1, 0], [1, 0], [1, 1], [1, 2], [1, 2]]


def test_a_finished_run_is_not_trained_again(
    finished: Path, chests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.Model, "fit", None)
    written = (finished / WEIGHTS).stat().st_mtime_ns
    assert fine_tuning.fit(tiny.config(chests), finished) == finished / WEIGHTS
    assert (finished / WEIGHTS).stat().st_mtime_ns == written


def test_a_run_of_another_configuration_is_refused_and_kept(finished: Path, chests: Path) -> None:
    with pytest.raises(RunError, match="another configuration"):
        fine_tuning.fit(tiny.config(chests, epochs=8), finished)
    assert_as_undisturbed(finished)


def test_a_directory_without_a_run_has_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not the directory of a `fit`"):
        Config.read(tmp_path)


def test_a_run_killed_while_it_is_claimed_can_be_started_again(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill(patch, Path, "write_text", lambda path, _: path.name.startswith("config"))
        killed_fit(tiny.config(chests), tmp_path)
    fine_tuning._claim(tmp_path, tiny.config(chests))
    assert Config.read(tmp_path) == tiny.config(chests)
    assert (tmp_path / "command.txt").exists()


def test_the_weights_of_an_unfinished_run_are_not_given_out(chests: Path, run: Path) -> None:
    killed_after(keras.callbacks.BackupAndRestore, 2, tiny.config(chests), run)
    with pytest.raises(RunError, match="has not finished"):
        fine_tuning.weights(run)


@pytest.fixture
def parts(chests: Path) -> tuple[labelled.Images, labelled.Images]:
    """The training and the validation images of the fits."""
    found = labelled.split(find_all([f"kermany={chests}"]), 0)
    return labelled.load(found[labelled.TRAIN], ""), labelled.load(found[labelled.VALIDATION], "")


def marked(images: labelled.Images) -> lungs.Gray:
    return lungs.mark(tiny.finder(Path()), images.pixels)


def test_every_phase_weighs_the_images_and_has_fields_of_its_side(
    parts: tuple[labelled.Images, labelled.Images],
    chests: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[tuple[Batches, Batches]] = []
    fitted = keras.Model.fit

    def record(classifier: keras.Model, train: Batches, **options: Any) -> None:
        given.append((train, options["validation_data"]))
        fitted(classifier, train, **options)

    sides: list[int] = []

    def build(*arguments: Any) -> model.Network:
        sides.append(arguments[-1])
        return tiny.build(*arguments)

    weights = [np.linspace(0.5, 1.5, len(images), dtype=np.float32) for images in parts]
    by_count = {len(counts): counts for counts in weights}
    monkeypatch.setattr(balance, "weights", lambda samples: by_count[len(samples)])
    monkeypatch.setattr(keras.Model, "fit", record)
    monkeypatch.setattr(model, "build", build)
    fine_tuning.fit(tiny.config(chests, small_epochs=1, epochs=1), tmp_path)
    assert sides == [128, 128, 224]
    assert len(given) == 3
    for train, validation in given:
        assert isinstance(train, TrainingBatches)
        assert not isinstance(validation, TrainingBatches)
        found = np.concatenate([train[index][2] for index in range(len(train))])
        np.testing.assert_array_equal(np.sort(found), weights[0])
        np.testing.assert_array_equal(validation[0][2], weights[1])
    shown, share = given[-1][1][0][0]
    np.testing.assert_array_equal(shown, parts[1].pixels)
    np.testing.assert_array_equal(share, marked(parts[1]))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_losses_are_of_weighted_images_and_smoothed_labels(
    smoothing: float,
    parts: tuple[labelled.Images, labelled.Images],
    chests: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of a mean other than 1: so no loss is the same without its weights.
    weights = [2 - images.labels for images in parts]
    by_count = {len(counts): counts for counts in weights}
    monkeypatch.setattr(balance, "weights", lambda samples: by_count[len(samples)])
    fine_tuning.fit(tiny.config(chests, epochs=1, label_smoothing=smoothing), tmp_path)
    (row,) = resuming.log(tmp_path / PHASE)
    # No rate of this fit moves a weight: the phase ends with those that it began with.
    classifier = tiny.build().classifier
    classifier.load_weights(tmp_path / PHASE / "epoch-001.weights.h5")
    for name, images, counts, off in zip(
        ("loss", "val_loss"), parts, weights, (0.02, 1e-4), strict=True
    ):
        logits = classifier.predict((images.pixels, marked(images)), verbose=0)
        labels = images.labels * (1 - smoothing) + smoothing / 2
        expected = np.mean(counts * (np.logaddexp(0, logits) - labels * logits))
        # Recompression changes the training images a little.
        assert float(row[name]) == pytest.approx(expected, rel=off), name


def test_fit_imports_no_tensorflow_of_its_own() -> None:
    """So that it runs on any backend of Keras."""
    modules = [
        fine_tuning,
        model,
        labelled,
        augmentation,
        balance,
        batches,
        command,
        curves,
        normalisation,
    ]
    modules += [distortion, field, lung_training, lungs, resuming, view]
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "tensorflow"], module


@pytest.mark.parametrize(
    ("callback", "epoch"),
    [
        (keras.callbacks.ModelCheckpoint, 0),
        (keras.callbacks.CSVLogger, 2),
        (keras.callbacks.ModelCheckpoint, LAST - 1),
    ],
)
def test_a_fit_killed_between_two_steps_of_an_epochs_end_ends_as_undisturbed(
    callback: type, epoch: int, chests: Path, run: Path
) -> None:
    killed_after(callback, epoch, tiny.config(chests), run)
    fine_tuning.fit(tiny.config(chests), run)
    assert_as_undisturbed(run)


def test_a_fit_killed_again_and_again_ends_as_undisturbed(chests: Path, run: Path) -> None:
    for epoch, callback in (
        (0, keras.callbacks.CSVLogger),
        (0, keras.callbacks.BackupAndRestore),
        (2, keras.callbacks.CSVLogger),
        (LAST - 1, keras.callbacks.CSVLogger),
    ):
        killed_after(callback, epoch, tiny.config(chests), run)
    fine_tuning.fit(tiny.config(chests), run)
    assert_as_undisturbed(run)


@pytest.mark.parametrize("changes", [{}, {"epochs": 3}])
def test_a_fit_killed_before_it_is_marked_as_done_trains_no_more(
    changes: dict[str, int], chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.config(chests, **changes)
    with monkeypatch.context() as patch:
        kill(
            patch,
            keras.callbacks.BackupAndRestore,
            "on_train_end",
            lambda *_: (tmp_path / PHASE).exists(),
        )
        killed_fit(config, tmp_path)
    before = epochs(tmp_path)
    monkeypatch.setattr(keras.Model, "fit", None)
    assert len(before) == changes.get("epochs", LAST)
    fine_tuning.fit(config, tmp_path)
    assert epochs(tmp_path) == before


@pytest.mark.parametrize(
    ("file", "left", "epoch"),
    [("latest.weights.h5", 1000, 2), ("training_metadata.json", 0, 0)],
)
def test_a_fit_killed_while_it_wrote_the_backup_ends_as_undisturbed(
    file: str, left: int, epoch: int, chests: Path, run: Path
) -> None:
    killed_after(keras.callbacks.BackupAndRestore, epoch, tiny.config(chests), run)
    os.truncate(run / PHASE / "backup" / file, left)
    fine_tuning.fit(tiny.config(chests), run)
    assert_as_undisturbed(run)


def test_a_resumed_fit_goes_on_from_the_weights_and_the_optimizer_of_the_backup(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.config(chests, epochs=4, learning_rate=1e-3)
    killed_after(keras.callbacks.BackupAndRestore, 1, config, tmp_path)
    saved = tiny.build()
    saved.classifier.load_weights(tmp_path / PHASE / "backup" / "latest.weights.h5")
    seen: list[tuple[int, Any, Any]] = []

    def record(callback: Any, epoch: int, logs: Any = None) -> None:
        fitted = callback.model
        seen.append((epoch, fitted.get_weights(), int(fitted.optimizer.iterations.numpy())))

    monkeypatch.setattr(fine_tuning.Recall, "on_epoch_begin", record)
    fine_tuning.fit(config, tmp_path)
    first, weights, steps = seen[0]
    assert (first, steps) == (2, 2 * STEPS)
    for given, expected in zip(weights, saved.classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(given, expected)


def test_no_phase_and_no_resumed_fit_draws_what_was_drawn_before(
    chests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.config(chests, epochs=3)
    drawn: list[tuple[int, bytes]] = []

    def build(*arguments: Any) -> model.Network:
        drawn.append((arguments[3], b""))
        return tiny.build(*arguments)

    class Recorded(TrainingBatches):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            drawn[-1] = drawn[-1][0], self[0][0][0].tobytes()

    monkeypatch.setattr(model, "build", build)
    monkeypatch.setattr(fine_tuning, "TrainingBatches", Recorded)
    killed_after(keras.callbacks.BackupAndRestore, 1, config, tmp_path)
    phases = len(fine_tuning.phases(config))
    assert len(drawn) == phases
    fine_tuning.fit(config, tmp_path)
    # The last one resumed; what has ended before is built once more, and not trained.
    seeds, first_batches = zip(*drawn[:phases], drawn[-1], strict=True)
    assert len(set(seeds)) == len(set(first_batches)) == phases + 1


def test_recall_gives_the_callbacks_their_state_back() -> None:
    stopping = keras.callbacks.EarlyStopping(fine_tuning.MONITOR, mode=fine_tuning.MODE, patience=4)
    plateau = keras.callbacks.ReduceLROnPlateau(
        fine_tuning.MONITOR, mode=fine_tuning.MODE, patience=1
    )
    rows = [
        {"epoch": str(i), fine_tuning.MONITOR: area} for i, area in enumerate(("0.5", "0.7", "0.6"))
    ]
    fine_tuning.Recall(rows, (stopping, plateau)).on_train_begin()
    assert (stopping.best, stopping.wait) == (plateau.best, plateau.wait) == (0.7, 1)


def test_a_process_killed_in_the_middle_of_an_epoch_resumes_there(chests: Path, run: Path) -> None:
    # In the last phase's fourth epoch, after the log's header and three rows.
    script = (
        "import os, runpy, signal, sys\nfrom training.fit import fine_tuning\n"
        "original = fine_tuning.Batches.__getitem__\n"
        "def take(batches, index):\n"
        "    log = os.path.join(sys.argv[2], '3-all', 'log.csv')\n"
        "    if index == 2 and os.path.exists(log) and len(open(log).readlines()) == 4:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return original(batches, index)\n"
        "fine_tuning.Batches.__getitem__ = take\n"
        "runpy.run_module('tests.training.tiny', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(chests), str(run)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [epoch for epoch, _ in epochs(run)] == [0, 1, 2]
    log = (run / PHASE / "log.csv").read_text()
    fine_tuning.fit(tiny.config(chests), run)
    assert (run / PHASE / "log.csv").read_text().startswith(log)
    assert_as_undisturbed(run)
