import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.errors import ProfileError
from app.reading.site_profile import SiteProfile, at_prevalence
from tests.app.reading.profiles import profile


def test_it_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profile().write(path)
    assert SiteProfile.read(path) == profile()
    assert profile().digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_profile_without_a_reference_keeps_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profile().write(path)
    # Null is the threshold, where there is none.
    assert "reference" not in path.read_text()
    assert '"threshold": null' in path.read_text()

    told = profile(reference={"view": {"AP": 3, "PA": 37}})
    told.write(path)
    assert SiteProfile.read(path) == told
    assert told.digest == hashlib.sha256(path.read_bytes()).hexdigest() != profile().digest


@pytest.mark.parametrize(
    "changes",
    [{"prevalence": 0}, {"prevalence": 1}, {"model_digest": "short"}, {"images": 0}, {"name": "x"}],
)
def test_it_holds_nothing_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        profile(**changes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"", "is invalid at JSON: "),
        (b"\xff{}", "is invalid at JSON: "),
        (b"{}", "is invalid at model_name: Field required."),
    ],
)
def test_what_is_none_is_told_in_a_sentence(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "profile.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileError) as refused:
        SiteProfile.read(path)
    assert str(refused.value).startswith(f"The site profile {path} {said}")


# Odds of 1, 15 and 1/3 times those of the prevalence, which are 1/9, 1/9 and 3.
@pytest.mark.parametrize(
    ("own", "prevalence", "expected"),
    [(0.5, 0.1, 0.1), (0.9375, 0.1, 0.625), (0.25, 0.75, 0.5), (0, 0.1, 0), (1, 0.1, 1)],
)
def test_the_prevalence_moves_the_odds(own: float, prevalence: float, expected: float) -> None:
    site = profile(prevalence=prevalence)
    assert site.at_site(own) == pytest.approx(expected, abs=1e-15)
    assert site.at_model(site.at_site(own)) == pytest.approx(own, abs=1e-12)


@pytest.mark.parametrize("prevalence", [0.001, 0.3, 0.999])
def test_it_keeps_the_order_of_any_two(prevalence: float) -> None:
    some = np.random.default_rng(0).random(500, np.float32)
    close = np.sort(np.concatenate([some, np.nextafter(some, np.float32(1))])).astype(float)
    moved = [at_prevalence(one, 0.5, prevalence) for one in close.tolist()]
    assert moved == sorted(moved)
    assert len(set(moved)) == len(set(close))
