import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from model_store.manifest import FILE_NAME, Conformal, LungCriteria, Manifest
from model_store.store import read_manifest, resolve, sha256
from tests.model_store.made import manifest

NORMAL, PNEUMONIA, BOTH = ["NORMAL"], ["PNEUMONIA"], ["NORMAL", "PNEUMONIA"]


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0, NORMAL), (0.25, NORMAL), (0.5, BOTH), (0.75, BOTH), (0.76, PNEUMONIA), (1, PNEUMONIA)],
)
def test_a_set_where_the_quantiles_overlap(probability: float, expected: list[str]) -> None:
    conformal = Conformal(coverage=0.9, normal_quantile=0.75, pneumonia_quantile=0.5)
    assert conformal.prediction_set(probability) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.25, NORMAL), (0.26, BOTH), (0.74, BOTH), (0.75, PNEUMONIA)],
)
def test_where_neither_label_conforms_both_are_told(
    probability: float, expected: list[str]
) -> None:
    conformal = Conformal(coverage=0.6, normal_quantile=0.25, pneumonia_quantile=0.25)
    assert conformal.prediction_set(probability) == expected


def test_it_outlives_json() -> None:
    written = manifest(files={"saved_model.pb": "a" * 64})
    assert Manifest.model_validate_json(written.model_dump_json()) == written


def test_it_is_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        manifest().version = 2  # type: ignore[misc]


@pytest.mark.parametrize("digest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_a_digest_is_64_hexadecimal_digits(digest: str) -> None:
    with pytest.raises(ValidationError, match="saved_model"):
        manifest(files={"saved_model.pb": digest})


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("field", LungCriteria.model_fields)
def test_what_lungs_must_have_is_a_fraction(field: str, share: float) -> None:
    with pytest.raises(ValidationError):
        LungCriteria(**{"least_share": 0.1, "least_certainty": 0.7} | {field: share})


def test_a_manifest_that_tells_nothing_of_lungs_is_an_older_one() -> None:
    older = json.loads(manifest().model_dump_json())
    del older["calibration"]["lungs"]
    with pytest.raises(ValidationError, match=r"calibration\.lungs"):
        Manifest.model_validate(older)


@pytest.mark.parametrize("quantile", [-0.1, 1.1, float("nan")])
def test_a_quantile_is_a_fraction(quantile: float) -> None:
    with pytest.raises(ValidationError):
        Conformal(coverage=0.9, normal_quantile=quantile, pneumonia_quantile=0.5)


def test_its_digest_is_that_of_the_file_as_sha256sum_has_it() -> None:
    shipped = resolve()
    assert shipped.manifest.digest == sha256(shipped.path / FILE_NAME)
    assert manifest(version=2).digest != manifest().digest


def test_a_manifest_without_a_reference_keeps_its_digest(tmp_path: Path) -> None:
    written = tmp_path / FILE_NAME
    written.write_text(manifest().to_file())
    assert "reference" not in written.read_text()
    assert read_manifest(written).digest == sha256(written)

    told = manifest(reference={"prediction_set_size": {"1": 30, "2": 10, ">2": 0}})
    written.write_text(told.to_file())
    assert read_manifest(written) == told
    assert told.digest == sha256(written) != manifest().digest


def test_nobody_is_counted_less_than_once() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        manifest(reference={"view": {"AP": -1}})
