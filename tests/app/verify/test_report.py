import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.archive import tables
from app.codes import Label
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.errors import VerifyError
from app.http.schemas import prediction
from app.verify.report import Report, read_report
from tests.app.archive.rows import row
from tests.app.dicom_results.given import IMAGE, PROBABILITY, model, reading, source_file
from tests.app.reading.profiles import profile

DIGEST = "b" * 64
BOTH = frozenset({Label.NORMAL, Label.PNEUMONIA})


def expected(**changes: Any) -> Report:
    fields: dict[str, Any] = {
        "image": IMAGE,
        "model": model().digest,
        "profile": None,
        "probability": PROBABILITY,
        "label": Label.PNEUMONIA,
        "prediction_set": {Label.PNEUMONIA},
    }
    return Report(**(fields | changes))


def test_a_structured_report(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes(structured_report(read_source(source_file()), reading()))
    assert read_report(path, DIGEST) == expected()


def test_a_structured_report_by_a_site_profile(tmp_path: Path) -> None:
    read = reading(
        model=model(profile()), label=Label.INDETERMINATE, prediction_set=[*Label][:2], warnings=[]
    )
    path = tmp_path / "report.dcm"
    path.write_bytes(structured_report(read_source(source_file()), read))
    assert read_report(path, DIGEST) == expected(
        profile=profile().digest,
        probability=read.probability,
        label=Label.INDETERMINATE,
        prediction_set=BOTH,
    )


@pytest.mark.parametrize("site", [None, profile()])
def test_an_answer_in_json(site: Any, tmp_path: Path) -> None:
    read = reading(model=model(site))
    path = tmp_path / "answer.json"
    answer = prediction(read).model_dump(mode="json")
    answer["input"]["sha256"] = DIGEST
    # What later versions may add.
    path.write_text(json.dumps(answer | {"more": 1}))
    assert read_report(path, "c" * 64) == expected(
        image=DIGEST, profile=site and site.digest, probability=read.probability
    )


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_row_of_the_image(suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pneumoscope[archive] is not installed")
    path = tmp_path / f"rows{suffix}"
    found = row("b.png", sha256=DIGEST, model_digest="d" * 64, profile_digest="e" * 64)
    tables.write(path, [row(), found, replace(found, path="copy.png")])
    assert read_report(path, DIGEST) == expected(
        image=DIGEST,
        model="d" * 64,
        profile="e" * 64,
        probability=0.875,
        prediction_set=BOTH,
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "c" * 64}, "has no row of the image."),
        ({"label": None, "problem": "too_large"}, "to the image, but a problem: too_large."),
        ({"label": "ILL"}, "has a row of the image that is no answer."),
        ({"model_digest": None}, "has a row of the image that is no answer."),
    ],
)
def test_rows_that_say_nothing(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    tables.write(path, [row(**{"sha256": DIGEST, "model_digest": "d" * 64} | changes)])
    with pytest.raises(VerifyError, match=said):
        read_report(path, DIGEST)


def test_rows_that_contradict_each_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    one, other = (row(sha256=DIGEST, model_digest="d" * 64, label=name) for name in BOTH)
    tables.write(path, [one, other])
    with pytest.raises(VerifyError, match="contradict each other"):
        read_report(path, DIGEST)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"hello", "is no Structured Report, and no JSON answer of /predict or /explain: at JSON"),
        (b"{}", "at label, Field required."),
        (source_file(), "is no Structured Report of this program that names its model"),
    ],
)
def test_what_is_no_report(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "report"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VerifyError) as refused:
        read_report(path, DIGEST)
    assert said in str(refused.value)
