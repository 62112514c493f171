from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import chart
from tests.benchmarks import made


def test_every_measured_contestant_has_a_line_in_every_panel() -> None:
    figure = chart.draw(made.results())
    assert len(figure.axes) == 4
    for ax in figure.axes:
        labels = [line.get_label() for line in ax.get_lines()]
        assert labels == ["pneumoscope", "engine and decoder, no HTTP", "LitServe, OpenVINO"]
    heights = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].get_lines()]
    assert heights == [[100, 400], [120, 480], [50, 200]]


def test_the_chart_is_written_as_png(tmp_path: Path) -> None:
    path = tmp_path / "new" / "chart.png"
    chart.save(made.results(), path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 1000
