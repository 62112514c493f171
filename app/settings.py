"""The settings, read from the environment with the prefix `PNEUMOSCOPE_`."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from app.host.environment import EnvironmentSettings
from app.host.values import HttpUrl, wrong
from model_store.store import DEFAULT_NAME, DEFAULT_ROOT

# A path's own characters (RFC 3986, 3.3), in segments.
_ROOT_PATH = re.compile(r"(/[\w.~!$&'()*+,;=:@%-]+)*", re.ASCII)
_MOST_PIXELS = 40_000_000
_ANY_ORIGIN = "*"
# RFC 6454, 6.2, of what browsers fetch with.
_ORIGIN = re.compile(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.ASCII)


def _root_path(value: str) -> str:
    path = value.rstrip("/")
    if not _ROOT_PATH.fullmatch(path):
        raise wrong("A root path begins with a slash, as in /xray")
    return path


def _origins(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _origin(value: str) -> str:
    if value != _ANY_ORIGIN and not _ORIGIN.fullmatch(value):
        raise wrong("An origin is * or as in https://viewer.example:8443, without a path")
    return value


class Settings(EnvironmentSettings):
    """What an operator may change; every field is an environment variable."""

    model_config = SettingsConfigDict(
        env_prefix="PNEUMOSCOPE_", frozen=True, protected_namespaces=()
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    root_path: Annotated[str, AfterValidator(_root_path)] = Field(
        "", description="path under which a proxy publishes the service, as `/xray`"
    )
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_origins)
    ] = Field(
        (), description="origins whose pages may ask, separated by commas, or `*`; none if unset"
    )
    tokens: Path | None = Field(
        None, description="file of the tokens with which one may ask; anybody may if unset"
    )
    tls_certificate: Path | None = Field(
        None, description="certificate (PEM), with its chain, to serve HTTPS with; HTTP if unset"
    )
    tls_key: Path | None = Field(
        None, description="private key (PEM) of the certificate, if that file does not hold it"
    )
    tls_client_ca: Path | None = Field(
        None, description="authorities (PEM), of which clients must have a certificate, if set"
    )
    engine: Literal["auto", "tensorflow", "openvino"] = Field(
        "auto", description="`auto` takes TensorFlow where it sees a GPU, OpenVINO elsewhere"
    )
    mixed_precision: bool = Field(
        False, description="whether a GPU computes in float16 where TensorFlow holds that safe"
    )
    model_store: Path = Field(DEFAULT_ROOT, description="folder of the models")
    model_name: str = Field(DEFAULT_NAME, description="model to serve")
    model_version: int | None = Field(
        None, ge=1, description="version to serve; the one in use, or the newest, if unset"
    )
    shadow: Literal["newest"] | Annotated[int, Field(ge=1)] | None = Field(
        None, description="version to try on the same images in the background, or `newest`"
    )
    model_key: Path | None = Field(
        None, description="public key of who signed the model; no signature is asked for if unset"
    )
    profile: Path | None = Field(
        None, description="site profile, whose numbers count; the model's own if unset"
    )
    profile_mismatch: Literal["refuse", "warn"] = Field(
        "refuse",
        description="a profile of another model: `refuse` to start, or `warn` and go without it",
    )
    max_upload_bytes: int = Field(32 * 2**20, gt=0, description="largest request body, in bytes")
    upload_seconds: float = Field(30, gt=0, description="longest time that a request body may take")
    max_pixels: int = Field(_MOST_PIXELS, gt=0, description="most pixels an image may have")
    max_files: int = Field(16, gt=0, description="most files in one `/predict/batch`")
    max_in_flight: int = Field(64, gt=0, description="requests at work at once; beyond it, 503")
    max_bytes_in_flight: int = Field(
        256 * 2**20, gt=0, description="bytes of all request bodies at once; beyond it, 503"
    )
    max_pixels_at_once: int = Field(
        _MOST_PIXELS, gt=0, description="pixels that are decoded at once; others wait"
    )
    max_connections: int = Field(
        512, gt=0, description="connections at once; beyond it, those that wait longest are closed"
    )
    unsuitable: Literal["refuse", "warn"] = Field(
        "refuse",
        description="an image without lungs: `refuse` it, or answer with the label INDETERMINATE",
    )
    overlay_max_side: int = Field(1024, ge=64, description="longest side of an overlay, in pixels")
    page: bool = Field(True, description="whether `GET /` serves the page to drop X-rays on")
    audit: Path | None = Field(
        None, description="folder of a record of each reading, as lines of JSON; none if unset"
    )
    stow_destination: HttpUrl | None = Field(
        None,
        description="DICOMweb service that gets the results of what comes by STOW-RS; no STOW-RS if"
        " unset",
    )
    heartbeat: Path | None = Field(
        None, description="file that is written every 5 s while all is well; none if unset"
    )

    @property
    def upload_limits(self) -> tuple[int, float]:
        """Of a request body, in bytes and in seconds."""
        return self.max_upload_bytes, self.upload_seconds
