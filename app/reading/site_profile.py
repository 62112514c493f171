"""What a site measured on its own images: the numbers that hold there, for one model."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import ProfileError
from app.host.files import write_whole
from model_store.manifest import Conformal, Distributions, Fraction, Sha256

# The share of PNEUMONIA that a model's own probability is for: its calibration has every label of
# every set count alike.
MODEL_PREVALENCE = 0.5


class Threshold(BaseModel):
    """From where on the site wants PNEUMONIA to be said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Fraction
    sensitivity: Fraction = Field(description="that was asked for")


class SiteProfile(BaseModel):
    """Numbers of one site, of which none is of a single image.

    It holds for one version of a model, whose digest it names. Threshold and conformal limits were
    measured on the model's own probability, before it is moved to the prevalence.
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
    reference: Distributions | None = Field(
        None,
        description="how the site's images were distributed, labelled or not, beside which later "
        "ones are seen; null in profiles that were measured without",
    )

    @property
    def digest(self) -> str:
        """The SHA-256 of what `write` writes: what `sha256sum profile.json` says."""
        return hashlib.sha256(self._to_file().encode()).hexdigest()

    def at_site(self, probability: float) -> float:
        """The model's own P(PNEUMONIA), moved to the site's prevalence."""
        return at_prevalence(probability, MODEL_PREVALENCE, self.prevalence)

    def at_model(self, probability: float) -> float:
        """P(PNEUMONIA) at the site's prevalence, moved back: what `at_site` was given."""
        return at_prevalence(probability, self.prevalence, MODEL_PREVALENCE)

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(path, self._to_file().encode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            ProfileError: it cannot be read, or is no profile.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ProfileError(
                f"The site profile {path} cannot be read: {error.strerror}."
            ) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "JSON"
            raise ProfileError(
                f"The site profile {path} is invalid at {where}: {first['msg']}."
            ) from None

    def _to_file(self) -> str:
        # Profiles that were measured without keep their digest.
        left_out = None if self.reference else {"reference"}
        return self.model_dump_json(indent=2, exclude=left_out) + "\n"


def at_prevalence(probability: float, before: float, after: float) -> float:
    """P(PNEUMONIA) calibrated for one prevalence, as it is for another.

    The odds are multiplied by the ratio of the prevalences' odds: Saerens 2002,
    doi:10.1162/089976602753284446. Written so that rounding, too, keeps the order of two
    probabilities, and a threshold moved alike parts the same images.

    Args:
        probability: 0 to 1, at `before`.
        before: the share of PNEUMONIA, over 0 and under 1.
        after: likewise.
    """
    if probability == 0:
        return 0.0
    ratio = before / (1 - before) * ((1 - after) / after)
    return 1 / (1 + (1 - probability) / probability * ratio)
