"""The DICOM node's settings, read from the environment with the prefix `PNEUMOSCOPE_NODE_`."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import NoDecode, SettingsConfigDict

from app.dicom_results import kinds
from app.host.addresses import is_loopback
from app.host.environment import EnvironmentSettings
from app.host.values import HttpUrl, wrong

# PS3.5, table 6.2-1: up to 16 characters of ASCII but the backslash, and not only spaces.
_AE_TITLE = re.compile(r"(?=.*[^ ])[ -\[\]-~]{1,16}")


class Peer(NamedTuple):
    """Who may send: an AE title, from any host or from one."""

    ae_title: str
    host: str | None


class StorageAddress(NamedTuple):
    """Where a Storage SCP listens."""

    ae_title: str
    host: str
    port: int


class Receiver(NamedTuple):
    """Where HL7 messages are taken."""

    host: str
    port: int


def is_ae_title(value: str) -> bool:
    """Whether it is what PS3.5 allows of an AE title."""
    return _AE_TITLE.fullmatch(value) is not None


def _ae_title(value: str) -> str:
    if not is_ae_title(value):
        raise wrong("An AE title has 1 to 16 ASCII characters, and no backslash")
    return value.strip()


def _list(value: Any) -> Any:
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _peer(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    title, at, host = value.strip().partition("@")
    if at and not host:
        raise wrong("A peer is AE or AE@host")
    return Peer(_ae_title(title), host or None)


def _destination(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith(("http://", "https://")) and urlsplit(value).hostname:
        return value
    title, _, address = value.partition("@")
    place = _host_and_port(
        address, "A destination is AE@host:port, or the http(s) URL of a DICOMweb service"
    )
    return StorageAddress(_ae_title(title), *place)


def _receiver(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return Receiver(*_host_and_port(value, "A receiver of HL7 messages is host:port"))


def _host_and_port(address: str, otherwise: str) -> tuple[str, int]:
    """The parts of an address; where it has another form, that is said."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise wrong(otherwise)
    return host.strip("[]"), int(port)


def _results(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return kinds.named(value)
    except ValueError as error:
        raise wrong(str(error)) from error


def _given_beyond_loopback(peers: tuple[Peer, ...], info: ValidationInfo) -> tuple[Peer, ...]:
    if not peers and not is_loopback(info.data.get("host", "localhost")):
        raise wrong("Beyond this machine it must be said who may send: AE or AE@host")
    return peers


AeTitle = Annotated[str, AfterValidator(_ae_title)]


class NodeSettings(EnvironmentSettings):
    """What an operator may change about the node; every field is an environment variable."""

    model_config = SettingsConfigDict(env_prefix="PNEUMOSCOPE_NODE_", frozen=True)

    destination: Annotated[str | StorageAddress, NoDecode, BeforeValidator(_destination)] = Field(
        description="PACS that results go to: `AE@host:port`, or the URL of a DICOMweb service"
    )
    destination_tls_ca: Path | None = Field(
        None,
        description="authorities (PEM), of which the PACS must have a certificate: results go over"
        " TLS, if set",
    )
    destination_tls_certificate: Path | None = Field(
        None, description="certificate (PEM), with its chain, to show to the PACS, if it asks"
    )
    destination_tls_key: Path | None = Field(
        None, description="private key (PEM) of that one, if its file does not hold it"
    )
    spool: Path = Field(description="folder of the queue, on a disk that outlives a restart")
    ae_title: AeTitle = Field("PNEUMOSCOPE", description="its own AE title")
    called_ae_titles: Annotated[tuple[AeTitle, ...], NoDecode, BeforeValidator(_list)] = Field(
        (), description="further AE titles that it may be called by, separated by commas"
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(11112, gt=0, le=65535, description="port to listen on")
    tls_certificate: Path | None = Field(
        None,
        description="certificate (PEM), with its chain, to take associations over TLS with; without"
        " TLS if unset",
    )
    tls_key: Path | None = Field(
        None, description="private key (PEM) of the certificate, if that file does not hold it"
    )
    tls_client_ca: Path | None = Field(
        None, description="authorities (PEM), of which senders must have a certificate, if set"
    )
    peers: Annotated[
        tuple[Annotated[Peer, BeforeValidator(_peer)], ...],
        NoDecode,
        BeforeValidator(_list),
        AfterValidator(_given_beyond_loopback),
    ] = Field(
        (),
        validate_default=True,
        description="who may send, `AE` or `AE@host`, separated by commas; required where others"
        " than this machine reach `HOST`",
    )
    max_associations: int = Field(10, gt=0, description="associations that are open at most")
    max_associations_per_peer: int = Field(
        5, gt=0, description="of these, those that one peer's address has at most"
    )
    max_queued: int = Field(
        1000, gt=0, description="images and results that wait at most; beyond it, status A700"
    )
    max_aside: int = Field(
        1000, gt=0, description="images and results aside, from which on no more images are taken"
    )
    min_free_bytes: int = Field(
        2**29, ge=0, description="free bytes of the disk, under which no more images are taken"
    )
    corrected: Literal["replace", "add", "aside"] = Field(
        "replace",
        description="what becomes of an image whose UID another one had before: results under the"
        " same UIDs, results beside the earlier ones, or none",
    )
    fhir: HttpUrl | None = Field(
        None, description="base URL of a FHIR R4 server that readings go to as well"
    )
    hl7: Annotated[Receiver | None, NoDecode, BeforeValidator(_receiver)] = Field(
        None, description="RIS that readings go to as HL7 messages as well, `host:port`"
    )
    webhook: HttpUrl | None = Field(
        None, description="URL that is told of urgent readings, with a signature"
    )
    results: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_results)] = Field(
        kinds.USUAL,
        description="results that the PACS gets, of `evidence`, `lungs`, `overlay` and `report`,"
        " separated by commas; a rule may say otherwise",
    )
    rules: Path | None = Field(
        None, description="file of the rules by which images are read or left out"
    )
    audit: Path | None = Field(
        None, description="folder of a record of each reading, which only the node writes"
    )
    metrics_host: str = Field("127.0.0.1", description="address to serve the metrics on")
    metrics_port: int = Field(9400, gt=0, le=65535, description="port to serve the metrics on")
