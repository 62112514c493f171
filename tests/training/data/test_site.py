import json
from pathlib import Path

import pytest

from tests.app.dicom_results import given
from tests.training.data.datasets import copies
from tests.training.site_rows import row, write
from training.data import site
from training.data.labelled import DataError

ROWS = [row(0, 0.1), row(1, 0.9), row(10, 0.8)]
LABELS = [
    {"file": "/data/0/xray.png", "label": "NORMAL"},
    {"file": "1/xray.png", "label": "PNEUMONIA"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_is_named_whole_or_by_its_end(path: Path, separator: str) -> None:
    joined = site.join(ROWS, write(path, LABELS, separator))

    assert joined.answered == ROWS[:2]
    assert [sample.label for sample in joined.samples] == [0, 1]
    assert (joined.without_label, joined.without_row, joined.failed) == (1, 0, [])


@pytest.mark.parametrize(
    ("column", "names"),
    [("sop_instance_uid", ["1.2.0", "1.2.1"]), ("sha256", [f"{0:064x}", f"{1:064x}"])],
)
def test_an_image_is_named_by_its_uid_or_content(path: Path, column: str, names: list[str]) -> None:
    lines = [
        {column: name, "label": label}
        for name, label in zip(names, ("NORMAL", "PNEUMONIA"), strict=True)
    ]
    assert site.join(ROWS, write(path, lines)).answered == ROWS[:2]


def test_what_is_missing_on_either_side_is_counted(path: Path) -> None:
    failed = row(2, 0, label=None, problem="unreadable_image")
    lines = [
        *LABELS,
        {"file": "2/xray.png", "label": "NORMAL"},
        {"file": "gone.png", "label": "NORMAL"},
    ]
    joined = site.join([*ROWS, failed], write(path, lines))
    assert (joined.without_label, joined.without_row) == (1, 1)
    assert joined.failed == [failed]


def test_a_copy_counts_once(path: Path) -> None:
    copy = row(0, 0.1, path="/data/copy/xray.png")
    lines = [*LABELS, {"file": "/data/0/xray.png", "label": "NORMAL"}]
    assert len(site.join([*ROWS, copy], write(path, lines)).answered) == 2


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{"image": "a", "label": "NORMAL"}], "needs a column label, and one of file"),
        ([{"file": "a", "finding": "NORMAL"}], "needs a column label"),
        ([{"file": "0/xray.png", "label": "healthy"}], "'healthy', not NORMAL or PNEUMONIA"),
        ([{"file": "xray.png", "label": "NORMAL"}], "is the end of several files' names"),
        ([*LABELS, {"file": "1/xray.png", "label": "NORMAL"}], "two labels that contradict"),
        (LABELS[:1], "no image that was answered has the label PNEUMONIA"),
        ([{"file": "a", "label": "NORMAL"}], "NORMAL. 1 labels are of images that were not read"),
    ],
)
def test_labels_that_cannot_be_used_are_told(
    path: Path, lines: list[dict[str, str]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        site.join(ROWS, write(path, lines))


def test_a_table_as_office_programs_write_it_is_read(path: Path) -> None:
    write(path, LABELS, ";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(site.join(ROWS, path).answered) == 2


def test_an_image_without_a_label_is_left_out_and_counted(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*LABELS, {"file": "10/xray.png", "label": ""}]
    joined = site.join(ROWS, write(path, lines))
    assert (len(joined.answered), joined.without_label) == (2, 1)
    assert "left out 1 of 3 lines, which have no label" in capsys.readouterr().err


def test_labels_of_the_rsna_are_known_by_their_columns(tmp_path: Path) -> None:
    copies.rsna(tmp_path)
    images = sorted((tmp_path / "stage_2_train_images").iterdir())
    rows = [row(number, 0.5, path=str(path), format="DICOM") for number, path in enumerate(images)]
    for name in ("stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"):
        table = (tmp_path / name).rename(tmp_path / "labels.csv")
        samples = site.join(rows, table).samples
        assert {sample.path.stem: sample.label for sample in samples} == copies.RSNA_TARGETS
        assert {(sample.view, sample.sex, sample.age) for sample in samples} == {("PA", "M", 58)}
        assert {sample.label_origin for sample in samples} == {"radiologists"}


def test_a_patient_of_the_rsna_has_several_images(tmp_path: Path) -> None:
    copies.write_targets(tmp_path, [("a", *[""] * 4, 0), ("b", 1, 1, 9, 9, 1)])
    known = [{"subset_img_id": name, "img_id": f"00000007_{name}.png"} for name in "ab"]
    mapping = tmp_path / "pneumonia-challenge-dataset-mappings_2018.json"
    mapping.write_text(json.dumps(known))
    rows = [row(0, 0.1, path="/data/a.dcm"), row(1, 0.9, path="/data/b.dcm")]
    samples = site.join(rows, tmp_path / "stage_2_train_labels.csv").samples
    assert {sample.patient for sample in samples} == {"NIH-00000007"}


def test_labels_of_nih_are_known_by_their_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.nih(tmp_path)
    rows = [
        row(number, 0.5, path=f"/xrays/{name}") for number, name in enumerate(copies.NIH_FINDINGS)
    ]
    table = (tmp_path / "Data_Entry_2017.csv").rename(tmp_path / "labels.csv")
    joined = site.join(rows, table)
    assert {(sample.path.name, sample.label) for sample in joined.samples} == {
        ("00000001_000.png", 0),
        ("00000001_001.png", 1),
        ("00000002_000.png", 0),
        ("00000004_000.png", 1),
        ("00000006_000.png", 0),
    }
    assert joined.without_label == 2
    assert "left out 2 of 7 images, which have other findings only" in capsys.readouterr().err
    first = joined.samples[0]
    assert (first.patient, first.age, first.sex, first.view) == ("NIH-00000001", 58, "M", "PA")
    assert (first.population, first.source) == ("adult", "")


def test_what_is_no_table_is_told(path: Path) -> None:
    with pytest.raises(DataError, match="There is no"):
        site.join(ROWS, path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a CSV file in UTF-8"):
        site.join(ROWS, path)
    path.write_text('file,label\n"a,NORMAL\n')
    with pytest.raises(DataError, match="is not a CSV file in UTF-8: unexpected end of data"):
        site.join(ROWS, path)
    with pytest.raises(DataError, match=r"cannot be read: Is a directory\."):
        site.join(ROWS, path.parent)


def test_patients_are_told_by_the_table_and_else_by_the_dicom_file(
    path: Path, tmp_path: Path
) -> None:
    image = tmp_path / "a.dcm"
    image.write_bytes(given.source_file(PatientAge="006Y", ViewPosition="AP"))
    rows = [row(0, 0.1, path=str(image), format="DICOM"), ROWS[1]]
    lines = [
        {"file": "a.dcm", "label": "NORMAL", "patient": "", "age": "", "sex": "F"},
        {"file": "1/xray.png", "label": "PNEUMONIA", "patient": "x", "age": "40", "sex": ""},
    ]
    first, second = site.join(rows, write(path, lines)).samples
    assert (first.patient, first.population, first.view) == ("4711", "child", "AP")
    assert (first.sex, first.source) == ("F", "Maker")
    assert (second.patient, second.population, second.sex) == ("x", "adult", "")
