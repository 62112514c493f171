"""Site profiles that no site measured."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.reading.site_profile import SiteProfile
from model_store.manifest import Conformal, Manifest


def profile(**changes: Any) -> SiteProfile:
    """A profile of `pneumonia` 5, save for what is changed."""
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


def write(path: Path, manifest: Manifest, **changes: Any) -> SiteProfile:
    """Write a profile of a model, and give it."""
    written = profile(
        **{
            "model_name": manifest.name,
            "model_version": manifest.version,
            "model_digest": manifest.digest,
        }
        | changes
    )
    written.write(path)
    return written
