from pathlib import Path

import pytest

from tests.training import tiny
from training.data.datasets import kermany
from training.data.labelled import DataError


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person1_bacteria_2.jpeg", "person1"),
        ("person1_virus_13.jpeg", "person1"),
        ("person1000_virus_1681.jpeg", "person1000"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("IM-0666-0001-0002.jpeg", "IM-0666"),
        ("NORMAL2-IM-0115-0001.jpeg", "NORMAL2-IM-0115"),
        ("BACTERIA-1008087-0001.jpeg", "1008087"),
        ("VIRUS-1008087-0002.jpeg", "1008087"),
        ("NORMAL-28501-0001.jpeg", "28501"),
        ("my_own_film.png", "0/my_own_film"),
    ],
)
def test_the_file_name_tells_the_patient(name: str, patient: str) -> None:
    assert kermany.patient(Path("train/NORMAL") / name, 0) == patient


def test_images_are_found_by_label_then_by_name(tmp_path: Path) -> None:
    for name in ("PNEUMONIA/a.JPEG", "NORMAL/b.png", "NORMAL/IM-1-2.tif", "NORMAL/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [
        (sample.path.relative_to(tmp_path).as_posix(), sample.label, sample.patient)
        for sample in kermany.find(tmp_path)
    ]
    assert found == [
        ("NORMAL/IM-1-2.tif", 0, "IM-1"),
        ("NORMAL/b.png", 0, "0/b"),
        ("PNEUMONIA/a.JPEG", 1, "1/a"),
    ]


def test_a_label_without_images_is_an_error_that_names_it(tmp_path: Path) -> None:
    tiny.images(tmp_path, 1)
    for path in (tmp_path / "PNEUMONIA").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"no images in .*PNEUMONIA"):
        kermany.find(tmp_path)


def test_the_sets_own_names_tell_children(tmp_path: Path) -> None:
    for name in ("NORMAL/IM-1-2.jpeg", "NORMAL/mine.png", "PNEUMONIA/person1_virus_2.jpeg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = {sample.path.name: sample for sample in kermany.find(tmp_path)}
    populations = {name: sample.population for name, sample in found.items()}
    assert populations == {
        "IM-1-2.jpeg": "child",
        "mine.png": "unknown",
        "person1_virus_2.jpeg": "child",
    }
    assert {sample.source for sample in found.values()} == {"kermany"}
    assert found["IM-1-2.jpeg"].label_origin == "two physicians"


def test_training_takes_the_part_train_where_there_is_one(tmp_path: Path) -> None:
    tiny.images(tmp_path / "train", 1)
    tiny.images(tmp_path / "test", 2)
    assert len(kermany.find(tmp_path, training=True)) == 2
    assert len(kermany.find(tmp_path / "test", training=True)) == 4
    with pytest.raises(DataError, match="no images in"):
        kermany.find(tmp_path)
