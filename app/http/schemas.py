"""What goes over the wire."""

from datetime import datetime
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field

from app.codes import Label, Reason, WarningCode
from app.http.problems import ProblemDetails
from app.inference.contract import Floats
from app.reading import model as reading_model
from app.reading.reading import Reading
from app.reading.site_profile import SiteProfile
from model_store.manifest import Manifest, Sha256

Finding = Literal[Label.NORMAL, Label.PNEUMONIA]
Share = Annotated[float, Field(ge=0, le=1)]
Map = list[list[float]]

_MAP_DIGITS = 4
# In a map, what is far below it is 0.
_SMALLEST = 1e-19
_BOX_DECIMALS = 4


class Input(BaseModel):
    """The image as it was received."""

    width: int = Field(description="pixels, upright")
    height: int = Field(description="pixels, upright")
    format: str = Field(examples=["JPEG"])
    sha256: str = Field(description="of the file's bytes")


class Model(BaseModel):
    """The model that answered."""

    name: str
    version: int
    digest: Sha256 = Field(description="SHA-256 of its manifest: what `sha256sum model.json` says")
    engine: str
    device: str


class Profile(BaseModel):
    """The site profile whose threshold, prevalence and conformal limits counted."""

    digest: Sha256 = Field(description="what `sha256sum profile.json` says")
    created: datetime


class ModelAtSite(Manifest):
    """The manifest of the model, and the site profile that it reads by."""

    profile: SiteProfile | None = Field(description="null where the model's own numbers count")


class Lungs(BaseModel):
    """Where the lungs are."""

    found: bool
    box: tuple[Share, Share, Share, Share] | None = Field(
        description="around them: left, top, right and bottom in shares of the image's width and "
        "height; null where none were found",
        examples=[[0.12, 0.1, 0.88, 0.79]],
    )
    cut_off: bool = Field(description="whether they go on beyond the edge of the image")


class Prediction(BaseModel):
    """The answer to one image."""

    label: Label = Field(
        description="PNEUMONIA where probability >= threshold, else NORMAL; but INDETERMINATE "
        "where no lungs were found or the image is not like a chest X-ray"
    )
    probability: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="calibrated P(PNEUMONIA), at the profile's prevalence, or for equal shares "
            "of both labels where there is none",
        ),
    ]
    threshold: float
    prediction_set: list[Finding] = Field(
        description="what conformal prediction cannot exclude; both where label is INDETERMINATE"
    )
    review: bool = Field(description="whether a person should read the image")
    reasons: list[Reason] = Field(description="why; empty where review is false")
    warnings: list[WarningCode] = Field(
        description="what the answer is given in spite of",
        examples=[["not_like_a_chest_xray"]],
    )
    lungs: Lungs
    input: Input
    model: Model
    profile: Profile | None = Field(description="null where the model's own numbers counted")


class Overlay(BaseModel):
    """A Grad-CAM overlay."""

    target: Finding = Field(description="what the coloured regions argue for")
    media_type: str = Field(examples=["image/jpeg"])
    width: int
    height: int
    data: str = Field(description="the picture, in base64")


class Maps(BaseModel):
    """The maps behind an overlay, of one size, from the top row down, over the whole image."""

    cam: Map = Field(description="what argues for PNEUMONIA where positive, for NORMAL elsewhere")
    lungs: Map = Field(description="P(lung)")
    outline: list[list[tuple[float, float]]] = Field(
        description="the outline of the lungs that the overlay has: closed curves of points, x and "
        "y in shares of the image's width and height; none where no lungs were found"
    )


class Explanation(Prediction):
    """The answer to one image, and where the model looked."""

    overlay: Overlay
    evidence_in_lungs: Share | None = Field(
        description="share of what argues for the overlay's target that lies in the lungs; null "
        "where nothing argues for it, or no lungs were found"
    )


class MappedExplanation(Explanation):
    """The answer to one image, where the model looked, and the maps to compute on."""

    maps: Maps


class BatchItem(BaseModel):
    """What became of one file: a prediction or a problem."""

    prediction: Prediction | None = None
    problem: ProblemDetails | None = None


class Batch(BaseModel):
    """An item for each file, in the order of the request."""

    items: list[BatchItem]


class Status(BaseModel):
    """How the service is."""

    status: Literal["live", "ready"]


def prediction(reading: Reading) -> Prediction:
    """A reading as it goes over the wire."""
    radiograph = reading.radiograph
    return Prediction.model_validate(
        {
            "label": reading.label,
            "probability": reading.probability,
            "threshold": reading.threshold,
            "prediction_set": reading.prediction_set,
            "review": reading.review,
            "reasons": reading.reasons,
            "warnings": reading.warnings,
            "lungs": _lungs(reading),
            "input": Input(
                width=radiograph.width,
                height=radiograph.height,
                format=radiograph.format,
                sha256=radiograph.sha256,
            ),
            "model": model(reading.model),
            "profile": _profile(reading.model),
        }
    )


def maps(reading: Reading) -> Maps:
    """The maps of a reading as they go over the wire."""
    return Maps(
        cam=_rows(reading.answers.cam[0]),
        lungs=_rows(reading.answers.lungs[0]),
        outline=[_points(curve) for curve in reading.outline],
    )


def model(of: reading_model.Model) -> Model:
    """A model as it goes over the wire."""
    return Model(
        name=of.name, version=of.version, digest=of.digest, engine=of.engine, device=of.device
    )


def model_at_site(of: reading_model.Model) -> ModelAtSite:
    """A model's manifest and site profile as they go over the wire."""
    return ModelAtSite(**dict(of.manifest), profile=of.profile)


def _profile(of: reading_model.Model) -> Profile | None:
    if of.profile is None or of.profile_digest is None:
        return None
    return Profile(digest=of.profile_digest, created=of.profile.created)


def _lungs(reading: Reading) -> Lungs:
    found = reading.lungs
    left, top, right, bottom = (round(share, _BOX_DECIMALS) for share in found.box or (0,) * 4)
    box = (left, top, right, bottom) if found.box else None
    return Lungs(found=found.found, box=box, cut_off=found.cut_off)


def _points(curve: Floats) -> list[tuple[float, float]]:
    return [(round(x, _BOX_DECIMALS), round(y, _BOX_DECIMALS)) for x, y in curve.tolist()]


def _rows(values: Floats) -> Map:
    """A map as rows of numbers of four significant digits."""
    exact = values.astype(np.float64)
    exponents = np.floor(np.log10(np.maximum(np.abs(exact), _SMALLEST)))
    # Powers of ten that floats hold exactly, so that nothing is left beyond the digits.
    decimals = _MAP_DIGITS - 1 - exponents
    up, down = 10 ** np.maximum(decimals, 0), 10 ** np.maximum(-decimals, 0)
    rows: Map = (np.rint(exact * up / down) * down / up).tolist()
    return rows
