from pathlib import Path

import pytest

from tests.app.dicom_results import given
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
        ([{"file": "0/xray.png", "label": "healthy"}], "has the label 'healthy'"),
        ([{"file": "xray.png", "label": "NORMAL"}], "is the end of several files' names"),
        ([*LABELS, {"file": "1/xray.png", "label": "NORMAL"}], "two labels that contradict"),
        (LABELS[:1], "no image that was answered has the label PNEUMONIA"),
    ],
)
def test_labels_that_cannot_be_used_are_told(
    path: Path, lines: list[dict[str, str]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        site.join(ROWS, write(path, lines))


def test_what_is_no_table_is_told(path: Path) -> None:
    with pytest.raises(DataError, match="There is no"):
        site.join(ROWS, path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a CSV file"):
        site.join(ROWS, path)


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
