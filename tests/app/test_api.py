"""The public Python API, alone and in the notebook that documents it."""

import asyncio
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pandas as pd
import pydicom
import pytest
from fastapi import FastAPI

from app import api
from app.api import ImageError, ModelError, NoLungsError, Reader
from app.main import create_app
from app.settings import Settings
from tests import synthetic
from tests.app.conftest import Scripted, serving, wait_until_ready
from tests.app.dicom_results import given

NOTEBOOK = Path(__file__).parents[2] / "docs" / "python.ipynb"


@pytest.fixture(scope="module")
def reader(model_root: Path) -> Iterator[Reader]:
    with Reader.from_store(model_root, engine="openvino") as reader:
        yield reader


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`xrays`, with five drawn chests and a file that is none."""
    folder = tmp_path / "xrays"
    folder.mkdir()
    for seed in range(5):
        chest = synthetic.chest(seed, pneumonia=bool(seed % 2), size=(240, 280))
        (folder / f"{seed}.png").write_bytes(synthetic.encode(chest))
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_path_bytes_and_a_dataset_are_read_as_the_service_reads_them(
    reader: Reader, settings: Settings, xray: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "xray"
    path.write_bytes(xray)
    app: FastAPI = create_app(settings)
    with serving(app) as client:
        wait_until_ready(client)
        expected = client.post("/predict", content=xray).json()

    for image in (path, str(path), xray):
        reading = reader.read(image)
        assert reading.label == expected["label"]
        assert reading.probability == pytest.approx(expected["probability"], abs=1e-6)
        assert reading.radiograph.sha256 == expected["input"]["sha256"]

    dataset = given.parse(given.source_file())
    assert reader.read(dataset).probability == pytest.approx(
        reader.read(given.source_file()).probability
    )


def test_what_cannot_be_read_raises_what_says_why(
    reader: Reader, xray: bytes, tmp_path: Path
) -> None:
    with pytest.raises(NoLungsError):
        reader.read(synthetic.encode(synthetic.checkerboard()))
    with pytest.raises(ImageError, match="broken or truncated"):
        reader.read(xray[:2000])
    with pytest.raises(ImageError, match="cannot be written"):
        reader.read(pydicom.Dataset())
    with pytest.raises(FileNotFoundError):
        reader.read(tmp_path / "none")
    assert reader.read(xray).label == "PNEUMONIA"


def test_a_model_that_is_not_there_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(ModelError, match="There is no model"):
        Reader.from_store(tmp_path)
    assert threading.active_count() == before


def test_a_model_that_fails_its_warm_up_is_no_reader(scripted: Scripted, model_root: Path) -> None:
    scripted.value = float("nan")
    before = set(threading.enumerate())
    with pytest.raises(ModelError, match="failed its warm-up"):
        Reader.from_store(model_root)
    # Idle ones are left that tried the engine and stopped it: one, or two if both overlapped.
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert all(name.startswith("asyncio_") for name in left)


def test_a_setting_is_given_in_lower_case(model_root: Path) -> None:
    with Reader.from_store(model_root, engine="openvino", unsuitable="warn") as lenient:
        reading = lenient.read(synthetic.encode(synthetic.checkerboard()))
    assert reading.label == "INDETERMINATE"


def test_it_works_where_a_loop_runs_already_and_from_many_threads(
    reader: Reader, xray: bytes
) -> None:
    async def in_a_loop() -> str:
        return reader.read(xray).label

    assert asyncio.run(in_a_loop()) == "PNEUMONIA"
    labels: list[str] = []
    threads = [
        threading.Thread(target=lambda: labels.append(reader.read(xray).label)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert labels == ["PNEUMONIA"] * 8


def test_many_are_rows_in_their_order_and_one_bad_file_ends_nothing(
    reader: Reader, folder: Path, tmp_path: Path
) -> None:
    files = [*sorted(folder.iterdir()), tmp_path / "none"]

    rows = list(reader.read_many(iter(files)))

    assert [row.path for row in rows] == [str(path) for path in files]
    assert [row.problem for row in rows] == [None] * 5 + ["unsupported_format", "unreadable_file"]
    for row, path in zip(rows[:5], files, strict=False):
        assert row.probability == pytest.approx(reader.read(path).probability, abs=1e-5)
        assert row.sha256 == sha256(path.read_bytes()).hexdigest()
        assert row.model == "pneumonia"


def test_only_a_few_of_many_are_held_at_once(reader: Reader, xray: bytes) -> None:
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield xray

    rows = reader.read_many(endless())
    for _ in range(3):
        next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert asked <= 3 + reader._reader.in_flight


def test_a_frame_has_a_row_for_each_and_a_column_for_all(reader: Reader, folder: Path) -> None:
    frame = reader.read_frame(sorted(folder.iterdir()))

    assert list(frame.columns) == list(api.Row.__dataclass_fields__)
    assert list(frame["label"].dropna()) == ["NORMAL", "PNEUMONIA"] * 2 + ["NORMAL"]
    assert frame["width"].dtype == pd.Int64Dtype()
    assert list(reader.read_frame([]).columns) == list(frame.columns)


def test_the_overlay_is_in_colour_and_of_the_image_s_size(reader: Reader, xray: bytes) -> None:
    picture = reader.overlay(reader.read(xray), "pneumonia")

    assert picture.shape == (480, 560, 3)
    assert picture.dtype == np.uint8
    # The outline of the lungs is cyan.
    assert ((picture[..., 2] > 200) & (picture[..., 0] < 60)).any()


def test_a_closed_reader_may_be_closed_again(model_root: Path) -> None:
    reader = Reader.from_store(model_root, engine="openvino")
    reader.close()
    reader.close()


def test_the_notebook_runs_as_it_is_written(
    model_root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_MODEL_STORE", str(model_root))
    monkeypatch.setenv("PNEUMOSCOPE_ENGINE", "openvino")
    monkeypatch.setenv("HOME", str(folder.parent))
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(folder.parent)}}
    ).execute()

    shown = [str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    assert "NORMAL" in shown[1]
    assert "image/png" in shown[2]
    assert "unsupported_format" in shown[4]
    assert "xrays/4.png" in shown[5]
    used = "".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    ours = [line for line in used.splitlines() if "app" in line and "import" in line]
    assert ours == ["from app.api import ImageError, Reader"]
