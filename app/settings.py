"""The settings, read from the environment with the prefix `PNEUMOSCOPE_`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.imaging.decode import DEFAULT_MAX_PIXELS, DEFAULT_PICTURE_SIDE
from app.inference.engine import Choice
from model_store.store import DEFAULT_NAME, DEFAULT_ROOT


class Settings(BaseSettings):
    """What an operator may change; every field is an environment variable."""

    model_config = SettingsConfigDict(
        env_prefix="PNEUMOSCOPE_", frozen=True, protected_namespaces=()
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    engine: Choice = Field(
        "auto", description="`auto` takes TensorFlow where it sees a GPU, OpenVINO elsewhere"
    )
    mixed_precision: bool = Field(
        False, description="whether a GPU computes in float16 where TensorFlow holds that safe"
    )
    model_store: Path = Field(DEFAULT_ROOT, description="folder of the models")
    model_name: str = Field(DEFAULT_NAME, description="model to serve")
    model_version: int | None = Field(
        None, ge=1, description="version to serve; the newest if unset"
    )
    max_upload_bytes: int = Field(32 * 2**20, gt=0, description="largest request body, in bytes")
    upload_seconds: float = Field(30, gt=0, description="longest time that a request body may take")
    max_pixels: int = Field(DEFAULT_MAX_PIXELS, gt=0, description="most pixels an image may have")
    max_files: int = Field(16, gt=0, description="most files in one `/predict/batch`")
    max_in_flight: int = Field(64, gt=0, description="requests at work at once; beyond it, 503")
    max_connections: int = Field(
        512, gt=0, description="connections at once; beyond it, those that wait longest are closed"
    )
    unsuitable: Literal["refuse", "warn"] = Field(
        "refuse",
        description="an image without lungs: `refuse` it, or answer with the label INDETERMINATE",
    )
    overlay_max_side: int = Field(
        DEFAULT_PICTURE_SIDE, ge=64, description="longest side of an overlay, in pixels"
    )

    @property
    def upload_limits(self) -> tuple[int, float]:
        """Of a request body, in bytes and in seconds."""
        return self.max_upload_bytes, self.upload_seconds
