from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.training.data.datasets import copies
from training.data import datasets, labelled
from training.data.datasets import table, tables
from training.data.labelled import DataError, Sample

NORMAL = {"file": "a/1.png", "label": "NORMAL"}
PNEUMONIA = {"file": "b/2.png", "label": "PNEUMONIA"}


def first(folder: Path, **columns: Any) -> Sample:
    """The first image of a table of two whose row has the columns."""
    empty = dict.fromkeys(columns, "")
    return table.find(copies.table(folder, [NORMAL | columns, PNEUMONIA | empty]))[0]


def test_a_file_and_a_label_are_enough(tmp_path: Path) -> None:
    folder = copies.table(tmp_path / "mine", [PNEUMONIA, NORMAL])
    assert table.find(folder) == [
        Sample(folder / "a/1.png", 0, "a/1.png", source="mine"),
        Sample(folder / "b/2.png", 1, "b/2.png", source="mine"),
    ]
    assert len(labelled.load(table.find(folder), "images")) == 2


def test_the_columns_tell_the_rest(tmp_path: Path) -> None:
    columns = {"patient": "p7", "age": "61", "sex": "F", "view": "AP", "label_from": "radiologist"}
    assert first(tmp_path / "mine", **columns, findings="ignored") == Sample(
        tmp_path / "mine" / "a/1.png",
        0,
        "p7",
        source="mine",
        population="adult",
        view="AP",
        sex="F",
        age=61,
        label_origin="radiologist",
    )


@pytest.mark.parametrize(
    ("age", "age_group", "population"),
    [
        ("", "child", "child"),
        ("", "adult", "adult"),
        ("9", "", "child"),
        ("30", "", "adult"),
        ("", "", "unknown"),
    ],
)
def test_the_age_group_or_the_age_tells_the_population(
    tmp_path: Path, age: str, age_group: str, population: str
) -> None:
    assert first(tmp_path, age=age, age_group=age_group).population == population


@pytest.mark.parametrize(
    ("columns", "weight"),
    [
        ({}, 1),
        ({"part": "train"}, 1),
        ({"part": "train_weak"}, tables.MINED_WEIGHT),
        ({"label_from": "mined from reports"}, tables.MINED_WEIGHT),
        ({"part": "train_weak", "weight": "0.5"}, 0.5),
        ({"weight": ""}, 1),
    ],
)
def test_doubtful_labels_weigh_little(
    tmp_path: Path, columns: dict[str, str], weight: float
) -> None:
    assert first(tmp_path, **columns).weight == weight


def test_the_part_test_is_measured_on_and_never_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [NORMAL, PNEUMONIA]
    more = [row | {"file": f"test-{row['file']}", "part": "test"} for row in rows]
    copies.table(tmp_path, [row | {"part": "train"} for row in rows] + more)
    trained_on = [sample.path.parent.name for sample in table.find(tmp_path, training=True)]
    assert "only the images not of the part test" in capsys.readouterr().err
    assert trained_on == ["a", "b"]
    assert [sample.path.parent.name for sample in table.find(tmp_path)] == ["test-a", "test-b"]
    assert "only the images of the part test" in capsys.readouterr().err


def test_files_that_are_not_there_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.table(tmp_path, [NORMAL, PNEUMONIA, NORMAL | {"file": "a/3.png"}])
    (tmp_path / "a" / "3.png").unlink()
    assert len(table.find(tmp_path)) == 2
    assert "left out 1 of 3 images, whose files are not there" in capsys.readouterr().err
    (tmp_path / "b" / "2.png").unlink()
    with pytest.raises(DataError, match="holds no PNEUMONIA image"):
        table.find(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"file": "c.png", "label": "normal"}, "gives 'c.png' the label 'normal'"),
        ({"file": "c.png", "label": ""}, "gives 'c.png' the label ''"),
        ({"file": "", "label": "NORMAL"}, "gives '' the label 'NORMAL'"),
        ({"file": "c.png", "label": "NORMAL", "weight": "0"}, "gives 'c.png' the weight '0'"),
        ({"file": "c.png", "label": "NORMAL", "weight": "2"}, "gives 'c.png' the weight '2'"),
        ({"file": "c.png", "label": "NORMAL", "weight": "x"}, "gives 'c.png' the weight 'x'"),
        ({"file": "c.png", "label": "NORMAL", "weight": "nan"}, "gives 'c.png' the weight 'nan'"),
        (NORMAL, "names 'a/1.png' twice"),
    ],
)
def test_what_a_row_must_not_hold_is_an_error(
    tmp_path: Path, row: dict[str, str], message: str
) -> None:
    copies.table(tmp_path, [NORMAL | {"weight": ""}, PNEUMONIA])
    with (tmp_path / table.TABLE).open("a") as file:
        file.write(f"{row['file']},{row['label']},{row.get('weight', '')}\n")
    with pytest.raises(DataError, match=message):
        table.find(tmp_path)


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    (tmp_path / table.TABLE).write_text("file,class\na.png,NORMAL\n")
    with pytest.raises(DataError, match="has no column 'label'"):
        table.find(tmp_path)


def test_the_real_adults(adult_xray_dir: Path) -> None:
    found = datasets.find_all([f"table={adult_xray_dir}"])
    assert Counter(sample.label for sample in found) == {0: 1809, 1: 1046}
    assert Counter(sample.weight for sample in found) == {1: 2346, tables.MINED_WEIGHT: 509}
    populations = Counter(sample.population for sample in found)
    assert populations == {"adult": 1637, "child": 126, "unknown": 1092}
    assert Counter(sample.view for sample in found) == {"AP": 1213, "PA": 550, "": 1092}
    assert len({sample.patient for sample in found}) == 1397 + 1095
    assert len(labelled.load(found[::100], "images")) == len(found[::100])
    parts = labelled.split(found, 0)
    for population, count in populations.items():
        for part, share in (
            (labelled.TRAIN, 0.8),
            (labelled.VALIDATION, 0.1),
            (labelled.CALIBRATION, 0.1),
        ):
            there = sum(sample.population == population for sample in parts[part])
            assert abs(there / count - share) < 0.05
