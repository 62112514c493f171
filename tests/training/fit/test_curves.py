"""The curves of a training, from its logs."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from training.fit import curves, resuming

HEAD = "epoch,auc,loss,val_auc,val_loss\n"
PHASES = "1-head", "2-small", "3-all"


def log(folder: Path, *rows: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "log.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Of two phases; a third has not begun."""
    log(tmp_path / "1-head", "0,0.6,0.9,0.5,0.8")
    log(tmp_path / "2-small", "0,0.7,0.7,0.8,0.6", "1,0.9,0.5,0.85,0.55")
    return tmp_path


def test_each_phase_goes_on_where_the_former_ended(run: Path) -> None:
    logs = {phase: resuming.log(run / phase) for phase in PHASES[:2]}
    loss, area = curves.draw(logs).axes
    drawn = [
        [
            (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
            for line in axes.lines
            if line.get_marker() == "o"
        ]
        for axes in (loss, area)
    ]
    assert drawn == [
        [([1], [0.9]), ([1], [0.8]), ([2, 3], [0.7, 0.5]), ([2, 3], [0.6, 0.55])],
        [([1], [0.6]), ([1], [0.5]), ([2, 3], [0.7, 0.9]), ([2, 3], [0.8, 0.85])],
    ]
    legend = loss.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]
    assert [text.get_text() for text in loss.texts] == list(PHASES[:2])


def test_what_was_not_monitored_is_not_drawn(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse")
    logger = keras.callbacks.CSVLogger(str(tmp_path / resuming.LOG))
    model.fit(np.ones((4, 1)), np.ones(4), epochs=2, verbose=0, callbacks=[logger])
    (axes,) = curves.draw({"1-drawn": resuming.log(tmp_path)}).axes
    assert axes.get_ylabel() == "Loss"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training"]


def test_a_picture_is_written_after_each_epoch(run: Path) -> None:
    callback = curves.Curves(run, PHASES)
    callback.on_epoch_end(1)
    before = (run / "curves.png").read_bytes()
    with Image.open(run / "curves.png") as picture:
        assert min(picture.size) > 300
        assert np.asarray(picture.convert("L")).std() > 10
    log(run / "3-all", "0,0.9,0.4,0.9,0.5")
    callback.on_epoch_end(0)
    assert (run / "curves.png").read_bytes() != before
    assert [path.name for path in run.iterdir() if path.is_file()] == ["curves.png"]
