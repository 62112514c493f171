from pathlib import Path

import pytest

from tests.training.data.datasets import copies
from training.data.datasets import nih, tables
from training.data.labelled import DataError

NORMAL, PNEUMONIA = 0, 1
EVERYTHING = [
    ("00000001_000.png", NORMAL, "NIH-00000001"),
    ("00000002_000.png", NORMAL, "NIH-00000002"),
    ("00000006_000.png", NORMAL, "NIH-00000006"),
    ("00000001_001.png", PNEUMONIA, "NIH-00000001"),
    ("00000004_000.png", PNEUMONIA, "NIH-00000004"),
]


def found(folder: Path) -> list[tuple[str, int, str]]:
    """What is found: name, label and patient of each image."""
    return [(sample.path.name, sample.label, sample.patient) for sample in nih.find(folder)]


@pytest.mark.parametrize(
    ("findings", "label"),
    [
        ("No Finding", NORMAL),
        ("Pneumonia", PNEUMONIA),
        ("Edema|Pneumonia|Effusion", PNEUMONIA),
        ("Infiltration", None),
        ("Consolidation|Pneumothorax", None),
        ("No Finding|Hernia", None),
        ("", None),
    ],
)
def test_the_findings_tell_the_label_or_none(findings: str, label: int | None) -> None:
    assert nih.label_of(findings) == label


@pytest.mark.parametrize(
    "archives", [["images"], ["images_001/images", "images_012/images"], ["images_003/images"]]
)
def test_images_are_found_as_nih_and_as_kaggle_unpack_them(
    tmp_path: Path, archives: list[str]
) -> None:
    assert found(copies.nih(tmp_path, archives)) == EVERYTHING


def test_images_with_other_findings_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nih.find(copies.nih(tmp_path))
    told = capsys.readouterr().err
    assert told == f"{tmp_path}: left out 2 of 7 images, which have other findings only\n"


def test_the_official_test_split_is_kept_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.nih(tmp_path)
    names = ["00000002_000.png", "00000003_000.png", "00000004_000.png", "00099999_000.png"]
    (tmp_path / nih.TEST_LIST).write_text("\r\n".join(names))
    assert found(tmp_path) == [EVERYTHING[1], EVERYTHING[4]]
    assert f"only the images of {nih.TEST_LIST}" in capsys.readouterr().err


def test_images_whose_archive_is_not_there_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.nih(tmp_path)
    (tmp_path / "images" / "00000002_000.png").unlink()
    assert found(tmp_path) == [EVERYTHING[0], *EVERYTHING[2:]]
    assert "left out 1 of 5 images, whose files are not there" in capsys.readouterr().err


def test_an_image_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    copies.nih(tmp_path)
    copies.nih(tmp_path, ["images_001/images"])
    table = tmp_path / "Data_Entry_2017.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    assert found(tmp_path) == EVERYTHING
    assert {sample.path.parent for sample in nih.find(tmp_path)} == {tmp_path / "images"}


def test_the_corrected_table_is_preferred(tmp_path: Path) -> None:
    copies.nih(tmp_path)
    table = (tmp_path / "Data_Entry_2017.csv").read_text()
    corrected = table.replace("Cardiomegaly|Effusion", "No Finding")
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text(corrected)
    assert ("00000003_000.png", NORMAL, "NIH-00000003") in found(tmp_path)
    (tmp_path / "Data_Entry_2017.csv").unlink()
    assert len(found(tmp_path)) == 6


def test_no_images_at_all_are_an_error(tmp_path: Path) -> None:
    copies.nih(tmp_path)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="holds no NORMAL image that its table names"):
        nih.find(tmp_path)


def test_a_missing_table_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Data_Entry_2017_v2020.csv or Data_Entry_2017.csv in"):
        nih.find(tmp_path)


def test_a_missing_column_is_an_error_that_names_it(tmp_path: Path) -> None:
    copies.nih(tmp_path)
    table = tmp_path / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace("Finding Labels", "Findings"))
    with pytest.raises(DataError, match=r"Data_Entry_2017.csv has no column 'Finding Labels'"):
        nih.find(tmp_path)


@pytest.mark.parametrize(
    ("gender", "age", "old", "population"),
    [
        ("Patient Gender", "058Y", 58, "adult"),
        ("Patient Sex", "58", 58, "adult"),
        ("Patient Sex", "9", 9, "child"),
        ("Patient Sex", "006M", 0.5, "child"),
        ("Patient Sex", "414", None, "unknown"),
    ],
)
def test_the_table_tells_the_patient_and_the_projection(
    tmp_path: Path, gender: str, age: str, old: float | None, population: str
) -> None:
    table = copies.nih(tmp_path) / "Data_Entry_2017.csv"
    text = table.read_text().replace("Patient Gender", gender).replace(",58,M,PA,", f",{age},F,AP,")
    table.write_text(text)
    for sample in nih.find(tmp_path):
        assert (sample.view, sample.sex, sample.age) == ("AP", "F", old)
        assert sample.population == population
        assert (sample.source, sample.label_origin) == ("nih", "mined from reports")
        assert sample.weight == tables.MINED_WEIGHT < 1


def test_columns_that_tell_neither_may_be_absent(tmp_path: Path) -> None:
    table = copies.nih(tmp_path) / "Data_Entry_2017.csv"
    for column in ("Patient Age", "Patient Gender", "View Position"):
        table.write_text(table.read_text().replace(column, "x"))
    assert {(s.view, s.sex, s.age, s.population) for s in nih.find(tmp_path)} == {
        ("", "", None, "unknown")
    }


def test_the_official_test_split_is_never_trained_on(tmp_path: Path) -> None:
    copies.nih(tmp_path)
    everything = {sample.path for sample in nih.find(tmp_path)}
    (tmp_path / nih.TEST_LIST).write_text("00000001_000.png\n00000004_000.png")
    test = {sample.path for sample in nih.find(tmp_path)}
    train = {sample.path for sample in nih.find(tmp_path, training=True)}
    assert (len(test), len(train)) == (2, 3)
    assert test | train == everything
