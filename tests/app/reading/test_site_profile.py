from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.reading.site_profile import SiteProfile
from model_store.manifest import Conformal


def _profile(**changes: Any) -> SiteProfile:
    fields: dict[str, Any] = {
        "model_name": "pneumonia",
        "model_version": 5,
        "model_digest": "a" * 64,
        "created": datetime(2026, 1, 1, tzinfo=UTC),
        "images": 40,
        "patients": 38,
        "prevalence": 0.1,
        "threshold": None,
        "conformal": Conformal(coverage=0.95, normal_quantile=0.4, pneumonia_quantile=1),
    }
    return SiteProfile(**(fields | changes))


def test_it_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    _profile().write(path)
    assert SiteProfile.model_validate_json(path.read_bytes()) == _profile()


@pytest.mark.parametrize(
    "changes",
    [{"prevalence": 0}, {"prevalence": 1}, {"model_digest": "short"}, {"images": 0}, {"name": "x"}],
)
def test_it_holds_nothing_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _profile(**changes)
