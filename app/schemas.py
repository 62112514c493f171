"""What goes over the wire."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.problems import ProblemDetails
from app.reader import Reader, Reading

Label = Literal["NORMAL", "PNEUMONIA"]


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
    engine: str
    device: str


class Prediction(BaseModel):
    """The answer to one image."""

    label: Label = Field(description="PNEUMONIA where probability >= threshold")
    probability: Annotated[float, Field(ge=0, le=1, description="calibrated P(PNEUMONIA)")]
    threshold: float
    prediction_set: list[Label] = Field(
        description="conformal prediction; both labels mean that a person should read the image"
    )
    warnings: list[str] = Field(description="codes", examples=[["not_like_a_chest_xray"]])
    input: Input
    model: Model


class Overlay(BaseModel):
    """A Grad-CAM overlay."""

    target: Label = Field(description="what the coloured regions argue for")
    media_type: str = Field(examples=["image/jpeg"])
    width: int
    height: int
    data: str = Field(description="the picture, in base64")


class Explanation(Prediction):
    """The answer to one image, and where the model looked."""

    overlay: Overlay


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


def prediction(reader: Reader, reading: Reading) -> Prediction:
    """A reading as it goes over the wire."""
    radiograph, manifest = reading.radiograph, reader.manifest
    return Prediction.model_validate(
        {
            "label": reading.label,
            "probability": reading.probability,
            "threshold": manifest.calibration.operating_point.threshold,
            "prediction_set": reading.prediction_set,
            "warnings": reading.warnings,
            "input": Input(
                width=radiograph.width,
                height=radiograph.height,
                format=radiograph.format,
                sha256=radiograph.sha256,
            ),
            "model": model(reader),
        }
    )


def model(reader: Reader) -> Model:
    """The reader's model as it goes over the wire."""
    return Model(
        name=reader.manifest.name,
        version=reader.manifest.version,
        engine=reader.engine.name,
        device=reader.engine.device,
    )
