"""What the environment holds beside the settings, and beside what they mean."""

import pytest

from app.host.environment import CREDENTIALS, names, unknown
from app.pacs.node.settings import NodeSettings
from app.pacs.web import dicomweb, fhir, webhook
from app.settings import Settings

KNOWN = names(Settings) + names(NodeSettings)
# As Kubernetes sets them for the services pneumoscope, pneumoscope-node and pneumoscope-web.
LINKS = {
    "PNEUMOSCOPE_SERVICE_HOST": "10.0.0.11",
    "PNEUMOSCOPE_SERVICE_PORT": "8000",
    "PNEUMOSCOPE_SERVICE_PORT_HTTP": "8000",
    "PNEUMOSCOPE_PORT": "tcp://10.0.0.11:8000",
    "PNEUMOSCOPE_PORT_8000_TCP": "tcp://10.0.0.11:8000",
    "PNEUMOSCOPE_PORT_8000_TCP_PROTO": "tcp",
    "PNEUMOSCOPE_PORT_8000_TCP_PORT": "8000",
    "PNEUMOSCOPE_PORT_8000_TCP_ADDR": "10.0.0.11",
    "PNEUMOSCOPE_NODE_SERVICE_HOST": "10.0.0.12",
    "PNEUMOSCOPE_NODE_PORT": "tcp://[fd00::12]:11112",
    "PNEUMOSCOPE_WEB_PORT": "tcp://10.0.0.13:80",
}


def test_service_links_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)

    assert Settings().port == 8000
    assert NodeSettings(destination="A@host:104", spool="/spool").port == 11112
    assert unknown(LINKS, KNOWN) is None


@pytest.mark.parametrize("name", names(Settings))
def test_an_empty_variable_counts_as_unset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings()
    monkeypatch.setenv(name, "")

    assert Settings() == default


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PNEUMOSCOPE_MAX_UPLAOD_BYTES", "PNEUMOSCOPE_MAX_UPLOAD_BYTES"),
        ("pneumoscope_prot", "PNEUMOSCOPE_PORT"),
        ("PNEUMOSCOPE_NODE_PEER", "PNEUMOSCOPE_NODE_PEERS"),
        ("PNEUMOSCOPE_DICOMWEB_PASSWD", "PNEUMOSCOPE_DICOMWEB_PASSWORD"),
    ],
)
def test_a_misspelt_variable_is_named(name: str, meant: str) -> None:
    assert unknown({name: "secret"}, KNOWN) == f"{name} is no setting. Did you mean {meant}?"


def test_what_is_nothing_like_a_setting_is_named_too() -> None:
    assert unknown({"PNEUMOSCOPE_XYZZY": "1"}, KNOWN) == "PNEUMOSCOPE_XYZZY is no setting."


def test_settings_of_every_command_are_known() -> None:
    kinds = dicomweb.Credentials, fhir.Credentials, webhook.Credentials
    assert set(CREDENTIALS) == {name for kind in kinds for name in names(kind)}
    assert unknown(dict.fromkeys((*KNOWN, *CREDENTIALS, "PATH"), "1"), KNOWN) is None
