import re
from pathlib import Path

import pytest

from app.inference.load import load
from benchmarks import archive
from benchmarks.images import as_dicom
from model_store.store import resolve
from tests import synthetic, tiny


def test_both_read_the_same_files_and_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_ROUNDS", 1)
    tiny.install(tmp_path)
    model = resolve(tmp_path)
    chest = synthetic.chest(1)
    images = {"a.png": synthetic.encode(chest), "b.dcm": as_dicom(chest)}

    said = archive.ratios(model, load(model, "openvino"), images)

    assert re.fullmatch(
        r"10 files, 1 rounds: [\d.]+ images a second, [\d.]+ of the bare rate, "
        r"[\d.]+ by processor time",
        said,
    )


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no JPEG under"):
        archive.main(str(tmp_path))
