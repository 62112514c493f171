"""`model.json`: what a model version's numbers mean, and which files it consists of."""

import hashlib
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FILE_NAME = "model.json"


def _within(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("not a file within the version's folder")
    return path


Fraction = Annotated[float, Field(ge=0, le=1)]
RelativePath = Annotated[str, AfterValidator(_within)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Distributions = dict[str, dict[str, Annotated[int, Field(ge=0)]]]
"""Of each quantity of images, by its name, how many of them are in each bin, by the bin's."""


class Part(BaseModel):
    """A part of the manifest: immutable, and free of unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Scaling(Part):
    """How the logit became a probability: sigmoid(logit / temperature + bias)."""

    temperature: float = Field(gt=0)
    bias: float


class OperatingPoint(Part):
    """Where the decision threshold lies, and what it did on held-out patients."""

    threshold: Fraction = Field(description="PNEUMONIA where probability >= threshold")
    chosen_for: str = Field(description="the rule by which the threshold was chosen")
    sensitivity: Fraction
    specificity: Fraction


class Conformal(Part):
    """Class-conditional split conformal prediction (Vovk 2012, doi:10.1007/s10994-013-5355-6).

    A label belongs to the prediction set where 1 - P(label) is at most its quantile.
    """

    coverage: Fraction = Field(description="of each class, at least, on exchangeable images")
    normal_quantile: Fraction
    pneumonia_quantile: Fraction

    def prediction_set(self, probability: float) -> list[str]:
        """The labels that conform to P(PNEUMONIA) = `probability`.

        Where neither conforms the image is as unusual as an ambiguous one, and both are returned:
        a superset keeps the coverage.
        """
        normal = probability <= self.normal_quantile
        pneumonia = 1 - probability <= self.pneumonia_quantile
        if normal == pneumonia:
            return ["NORMAL", "PNEUMONIA"]
        return ["NORMAL"] if normal else ["PNEUMONIA"]


class LungCriteria(Part):
    """What the marked lungs of an image must have, or it counts as one without lungs."""

    least_share: Fraction = Field(
        description="smallest share of the image that both lungs cover together"
    )
    least_certainty: Fraction = Field(
        description="smallest mean P(lung) over what they cover, which is where P(lung) >= 0.5"
    )


class Calibration(Part):
    """How the logit became a probability, a label and a set, and on how many held-out images.

    And which images the model is not for.
    """

    images: int = Field(gt=0)
    patients: int = Field(gt=0)
    scaling: Scaling
    operating_point: OperatingPoint
    conformal: Conformal
    lungs: LungCriteria
    novelty_limit: float = Field(
        gt=0, description="an image of higher novelty is not like the training images"
    )


class Provenance(Part):
    """How to make this model again."""

    backbone: str = Field(description="a class of keras.applications")
    command: str
    seed: int
    images: dict[str, int] = Field(description="images by part of the split")
    versions: dict[str, str] = Field(description="of the packages that trained it")
    float16_error: float = Field(
        ge=0, description="how far float16 weights moved a calibration image's probability, at most"
    )


class Manifest(Part):
    """The whole of `model.json`."""

    name: str = Field(pattern=r"^\w[\w.-]*$", description="of the model, and of its folder")
    version: int = Field(ge=1)
    created: datetime
    labels: tuple[Literal["NORMAL"], Literal["PNEUMONIA"]] = ("NORMAL", "PNEUMONIA")
    calibration: Calibration
    provenance: Provenance
    files: dict[RelativePath, Sha256] = Field(
        description="SHA-256 of every file of the version but this one"
    )
    reference: Distributions | None = Field(
        None,
        description="how held-out images were distributed, beside which those of a site are seen; "
        "null in versions that were exported without",
    )

    @property
    def digest(self) -> str:
        """The SHA-256 that stands for the version: what `sha256sum model.json` says.

        The manifest has the digests of all other files, so no part of the version can change
        without it.
        """
        return hashlib.sha256(self.to_file().encode()).hexdigest()

    def to_file(self) -> str:
        """What `model.json` holds: older ones have no reference, and keep their digest."""
        left_out = None if self.reference else {"reference"}
        return self.model_dump_json(indent=2, exclude=left_out) + "\n"
