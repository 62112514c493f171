from pathlib import Path

import pytest

from tests.training.datasets import copies
from training import data
from training.data import DataError
from training.datasets import rsna


def test_each_image_counts_once_however_many_its_boxes(tmp_path: Path) -> None:
    found = rsna.find(copies.rsna(tmp_path))
    assert [sample.label for sample in found] == [0] * 4 + [1] * 4
    assert {sample.path.stem: sample.label for sample in found} == copies.RSNA_TARGETS
    assert all(sample.patient == sample.path.stem for sample in found)


def test_the_images_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = data.load(rsna.find(copies.rsna(tmp_path)), "images")
    assert len(images) == len(copies.RSNA_TARGETS)
    assert "skipped" not in capsys.readouterr().err


def test_images_that_are_not_there_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.rsna(tmp_path)
    (tmp_path / "stage_2_train_images" / "sick-0.dcm").unlink()
    assert len(rsna.find(tmp_path)) == 7
    assert "left out 1 of 8 images, whose files are not there" in capsys.readouterr().err


def test_a_label_without_images_is_an_error(tmp_path: Path) -> None:
    copies.rsna(tmp_path)
    for path in (tmp_path / "stage_2_train_images").glob("sick-*.dcm"):
        path.unlink()
    with pytest.raises(DataError, match="holds no PNEUMONIA image"):
        rsna.find(tmp_path)


@pytest.mark.parametrize(
    "rows", [[("a", "", "", "", "", 0), ("a", 1, 1, 9, 9, 1)], [("a", 1, 1, 9, 9, 2)], [("a", 1)]]
)
def test_an_image_without_one_target_is_an_error(
    tmp_path: Path, rows: list[tuple[object, ...]]
) -> None:
    copies.write_targets(tmp_path, rows)
    with pytest.raises(DataError, match="gives no single Target of 0 or 1 for 'a'"):
        rsna.find(tmp_path)


def test_a_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no .*stage_2_train_labels.csv"):
        rsna.find(tmp_path)


@pytest.mark.parametrize("content", [b"", b"patientId,x\n", b"\x89PNG\xff\xfe", b"\0,\0\n"])
def test_what_is_no_such_table_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stage_2_train_labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"stage_2_train_labels.csv (has no column|is not a CSV)"):
        rsna.find(tmp_path)
