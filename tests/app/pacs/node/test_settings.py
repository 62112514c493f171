from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.pacs.node.settings import NodeSettings, Peer, Receiver, StorageAddress

DOCUMENTED = Path(__file__).parents[4] / "docs" / "pacs.md"
PREFIX = "PNEUMOSCOPE_NODE_"
REQUIRED = {"destination": "PACS@pacs.example:104", "spool": "/var/spool/pneumoscope"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NodeSettings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)


def _read() -> NodeSettings:
    settings: Any = NodeSettings
    made: NodeSettings = settings()
    return made


def test_defaults() -> None:
    settings = _read()
    assert settings.spool == Path("/var/spool/pneumoscope")
    assert settings.destination == StorageAddress("PACS", "pacs.example", 104)
    assert (settings.ae_title, settings.called_ae_titles, settings.peers) == ("PNEUMOSCOPE", (), ())
    assert settings.results == ("overlay", "report")
    assert (settings.host, settings.port) == ("127.0.0.1", 11112)
    assert (settings.metrics_host, settings.metrics_port) == ("127.0.0.1", 9400)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("destination", "https://pacs.example/dicom-web", "https://pacs.example/dicom-web"),
        ("destination", "MY PACS@[::1]:11112", StorageAddress("MY PACS", "::1", 11112)),
        ("ae_title", "READER", "READER"),
        ("called_ae_titles", "ONE, TWO", ("ONE", "TWO")),
        ("called_ae_titles", "", ()),
        ("peers", "CT1,XRAY@10.0.0.7", (Peer("CT1", None), Peer("XRAY", "10.0.0.7"))),
        ("fhir", "https://ris.example/fhir", "https://ris.example/fhir"),
        ("hl7", "[::1]:2575", Receiver("::1", 2575)),
        ("results", "lungs, report", ("lungs", "report")),
        ("max_queued", "5", 5),
        ("max_associations", "20", 20),
        ("max_associations_per_peer", "2", 2),
    ],
)
def test_the_environment(
    name: str, given: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), given)
    assert getattr(_read(), name) == expected


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("destination", "PACS"),
        ("destination", "pacs.example:104"),
        ("destination", "PACS@pacs.example"),
        ("destination", "PACS@pacs.example:0"),
        ("destination", "PACS@pacs.example:70000"),
        ("destination", "@pacs.example:104"),
        ("destination", "https://"),
        ("ae_title", "   "),
        ("ae_title", "SEVENTEEN_LETTERS"),
        ("ae_title", "BACK\\SLASH"),
        ("called_ae_titles", "ONE,SEVENTEEN_LETTERS"),
        ("peers", "XRAY@"),
        ("peers", "@10.0.0.7"),
        ("fhir", "ris.example/fhir"),
        ("fhir", "https://me:secret@ris.example/fhir"),
        ("hl7", "ris.example"),
        ("hl7", "ris.example:0"),
        ("results", "lungs,overlay"),
        ("results", "report, heatmap"),
        ("port", "0"),
        ("max_queued", "0"),
        ("max_associations", "0"),
        ("max_associations_per_peer", "0"),
    ],
)
def test_invalid_values_are_named_and_not_quoted(
    name: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), given)
    with pytest.raises(ValidationError) as invalid:
        _read()
    error = invalid.value.errors()[0]
    assert error["loc"][0] == name
    assert len(given.strip()) < 2 or given not in error["msg"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example"])  # noqa: S104
def test_beyond_loopback_it_must_be_said_who_may_send(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "HOST", host)
    with pytest.raises(ValidationError) as invalid:
        _read()
    assert invalid.value.errors()[0]["loc"] == ("peers",)
    monkeypatch.setenv(PREFIX + "PEERS", "XRAY")
    assert _read().peers == (Peer("XRAY", None),)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_on_loopback_anybody_may_send(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "HOST", host)
    assert _read().peers == ()


@pytest.mark.parametrize("name", REQUIRED)
def test_what_has_no_default_is_required(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PREFIX + name.upper())
    with pytest.raises(ValidationError) as missing:
        _read()
    assert missing.value.errors()[0]["loc"] == (name,)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in NodeSettings.model_fields.values())


@pytest.mark.parametrize("name", NodeSettings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name.upper()}`" in DOCUMENTED.read_text()
