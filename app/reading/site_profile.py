"""What a site measured on its own images: the numbers that hold there, for one model."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from model_store.manifest import Conformal, Fraction, Sha256


class Threshold(BaseModel):
    """From where on the site wants PNEUMONIA to be said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Fraction
    sensitivity: Fraction = Field(description="that was asked for")


class SiteProfile(BaseModel):
    """Numbers of one site, of which none is of a single image.

    It holds for one version of a model, whose digest it names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_name: str
    model_version: int
    model_digest: Sha256
    created: datetime
    images: int = Field(gt=0, description="labelled, and answered by the model")
    patients: int = Field(gt=0)
    prevalence: Annotated[
        float, Field(gt=0, lt=1, description="share of PNEUMONIA, own or as the site states it")
    ]
    threshold: Threshold | None = Field(
        description="null where too few images of PNEUMONIA were there for that sensitivity"
    )
    conformal: Conformal = Field(
        description="a quantile of 1 excludes nothing: too few images of that label were there"
    )

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n")
