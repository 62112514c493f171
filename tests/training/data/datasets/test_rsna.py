import json
from pathlib import Path

import pytest

from tests.training.data.datasets import copies
from training.data import labelled
from training.data.datasets import rsna
from training.data.labelled import DataError


def test_each_image_counts_once_however_many_its_boxes(tmp_path: Path) -> None:
    found = rsna.find(copies.rsna(tmp_path))
    assert [sample.label for sample in found] == [0] * 4 + [1] * 4
    assert {sample.path.stem: sample.label for sample in found} == copies.RSNA_TARGETS
    assert all(sample.patient == sample.path.stem for sample in found)


def test_the_images_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = labelled.load(rsna.find(copies.rsna(tmp_path)), "images")
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


def test_the_header_tells_the_patient_and_the_projection(tmp_path: Path) -> None:
    for sample in rsna.find(copies.rsna(tmp_path)):
        assert (sample.view, sample.sex, sample.age) == ("PA", "M", 58)
        assert (sample.population, sample.source) == ("adult", "rsna")
        assert (sample.weight, sample.label_origin) == (1, "radiologists")


@pytest.mark.parametrize("content", [b"", b"no DICOM", b"\0" * 128 + b"DICM\1\2"])
def test_a_broken_header_tells_nothing(tmp_path: Path, content: bytes) -> None:
    path = copies.rsna(tmp_path) / "stage_2_train_images" / "sick-0.dcm"
    path.write_bytes(content)
    sample = next(sample for sample in rsna.find(tmp_path) if sample.path == path)
    assert (sample.view, sample.sex, sample.age, sample.population) == ("", "", None, "unknown")


def test_other_diseases_are_measured_on_but_not_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = rsna.find(copies.rsna(tmp_path))
    trained_on = rsna.find(tmp_path, training=True)
    assert [s for s in everything if s not in trained_on] == [
        s for s in everything if s.path.stem == "normal-1"
    ]
    told = capsys.readouterr().err
    assert "left out 1 of 8 images, which are neither normal nor of pneumonia" in told


def test_training_needs_the_table_of_classes(tmp_path: Path) -> None:
    (copies.rsna(tmp_path) / rsna.CLASSES).unlink()
    assert rsna.find(tmp_path)
    with pytest.raises(DataError, match=f"There is no .*{rsna.CLASSES}"):
        rsna.find(tmp_path, training=True)


def test_the_mapping_tells_the_patients(tmp_path: Path) -> None:
    copies.rsna(tmp_path)
    rows = [
        {"subset_img_id": "sick-0", "img_id": "00019124_104.png", "orig_labels": ["Pneumonia"]},
        {"subset_img_id": "sick-2", "img_id": "00019124_105.png", "orig_labels": ["Pneumonia"]},
    ]
    (tmp_path / rsna.MAPPING).write_text(json.dumps(rows))
    patients = {sample.path.stem: sample.patient for sample in rsna.find(tmp_path)}
    assert patients["sick-0"] == patients["sick-2"] == "NIH-00019124"
    assert patients["sick-4"] == "sick-4"


@pytest.mark.parametrize("content", ["", "[1]", '[{"img_id": "x_1.png"}]', '{"a": 1}'])
def test_another_mapping_is_an_error(tmp_path: Path, content: str) -> None:
    copies.rsna(tmp_path)
    (tmp_path / rsna.MAPPING).write_text(content)
    with pytest.raises(DataError, match="is not the file that the RSNA publishes"):
        rsna.find(tmp_path)
