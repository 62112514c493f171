"""TLS with the PACS, and the files that it needs."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.errors import CertificateError, UnreachableError
from app.pacs import storage_scu, tls
from app.pacs.node.settings import NodeSettings, StorageAddress
from app.pacs.storage_scu import StorageDestination
from tests.app.dicom_results import given
from tests.app.pacs.dcmtk import Storescp, certificate
from tests.app.pacs.network import LOCALHOST, PACS, Pacs

OWN = {"destination_tls_certificate": "client.pem", "destination_tls_key": "client.key"}
ACCEPTING = {"tls_certificate": "server.pem", "tls_key": "server.key"}
TRUSTED = {"destination_tls_ca": "ca.pem"}


def _settings(made: Path, files: dict[str, str], **changes: Any) -> NodeSettings:
    address = StorageAddress(PACS, LOCALHOST, 1)
    paths = {name: made / value for name, value in files.items()}
    return NodeSettings.model_validate({"destination": address, "spool": made, **paths, **changes})


def _destination(
    made: Path, port: int, files: dict[str, str], host: str = LOCALHOST
) -> StorageDestination:
    address = StorageAddress(PACS, host, port)
    return StorageDestination("PNEUMOSCOPE", address, tls.requesting(_settings(made, files)))


@pytest.fixture(scope="module")
def report() -> bytes:
    return structured_report(read_source(given.source_file()), given.reading())


@pytest.fixture
def pacs(tmp_path: Path, made: Path) -> Iterator[Storescp]:
    """DCMTK's Storage SCP, whose peers need a certificate."""
    with Storescp(tmp_path / "stored").listening(*certificate(made, "server")) as pacs:
        yield pacs


def test_without_files_there_is_no_tls(made: Path) -> None:
    assert tls.accepting(_settings(made, {})) is None
    assert tls.requesting(_settings(made, {})) is None


@pytest.mark.parametrize(
    ("files", "changes", "sentence"),
    [
        ({"tls_key": "server.key"}, {}, "_TLS_KEY needs PNEUMOSCOPE_NODE_TLS_CERTIFICATE."),
        ({"tls_client_ca": "ca.pem"}, {}, "_TLS_CLIENT_CA needs PNEUMOSCOPE_NODE_TLS_CERTIFICATE."),
        (ACCEPTING | {"tls_key": "other.key"}, {}, "_TLS_KEY is the key of another certificate."),
        (ACCEPTING | {"tls_client_ca": "no"}, {}, "_TLS_CLIENT_CA cannot be read: No such file"),
        (OWN, {}, "_DESTINATION_TLS_CERTIFICATE needs PNEUMOSCOPE_NODE_DESTINATION_TLS_CA."),
        (
            TRUSTED | {"destination_tls_key": "client.key"},
            {},
            "_DESTINATION_TLS_KEY needs PNEUMOSCOPE_NODE_DESTINATION_TLS_CERTIFICATE.",
        ),
        ({"destination_tls_ca": "ca.key"}, {}, "_DESTINATION_TLS_CA holds no certificate (PEM)."),
        (TRUSTED | OWN | {"destination_tls_key": "ca.pem"}, {}, "hold no certificate"),
        (
            TRUSTED,
            {"destination": "https://pacs.example/dicom-web"},
            "_DESTINATION_TLS_CA is for a destination AE@host:port.",
        ),
    ],
)
def test_a_wrong_file_is_named(
    made: Path, files: dict[str, str], changes: dict[str, Any], sentence: str
) -> None:
    settings = _settings(made, files, **changes)
    load = tls.requesting if any("destination" in name for name in files) else tls.accepting
    with pytest.raises(CertificateError) as error:
        load(settings)
    assert str(error.value).startswith("PNEUMOSCOPE_NODE_")
    assert sentence in str(error.value)


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_results_are_stored_over_tls(
    tmp_path: Path, made: Path, report: bytes, profile: str
) -> None:
    with Storescp(tmp_path / "stored").listening(*certificate(made, "server"), profile) as pacs:
        destination = _destination(made, pacs.port, TRUSTED | OWN)
        for _ in range(2):
            destination.store([report])
    assert pacs.stored == [given.parse(report)]


@pytest.mark.parametrize(
    ("files", "host", "said"),
    [
        (TRUSTED, LOCALHOST, "alert"),
        (
            OWN | {"destination_tls_ca": "other.pem"},
            LOCALHOST,
            "its certificate is not trusted: self-signed certificate in certificate chain.",
        ),
        (
            TRUSTED | OWN,
            "localhost",
            "its certificate is not trusted: Hostname mismatch, certificate is not valid for",
        ),
    ],
    ids=["no certificate", "another authority", "another host"],
)
def test_where_tls_fails_it_says_why(
    made: Path, pacs: Storescp, report: bytes, files: dict[str, str], host: str, said: str
) -> None:
    destination = _destination(made, pacs.port, files, host)
    with pytest.raises(UnreachableError) as error:
        destination.store([report])
    assert str(error.value).startswith("TLS with the PACS failed: ")
    assert said in str(error.value)
    assert not pacs.stored


def test_a_pacs_without_tls_is_told(made: Path, tmp_path: Path, report: bytes) -> None:
    with (
        Storescp(tmp_path / "stored").listening() as pacs,
        pytest.raises(UnreachableError, match=r"^TLS with the PACS failed: "),
    ):
        _destination(made, pacs.port, TRUSTED).store([report])
    with (
        Pacs().listening() as other,
        pytest.raises(UnreachableError, match=r"^TLS with the PACS failed: "),
    ):
        _destination(made, other.port, TRUSTED).store([report])


@contextmanager
def _silent(context: ssl.SSLContext) -> Iterator[int]:
    """A port where TLS is spoken, and after it nothing."""
    with socket.create_server((LOCALHOST, 0)) as listening:

        def accept() -> None:
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as opened:
                while opened.recv(4096):
                    pass

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listening.getsockname()[1]
        accepting.join()


def test_a_pacs_that_says_nothing_more_is_waited_for_so_long(
    made: Path, report: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_scu, "_ASSOCIATE_SECONDS", 1)
    monkeypatch.setattr(tls, "_ANSWER_SECONDS", 2)
    context = tls.accepting(_settings(made, ACCEPTING))
    assert context
    before, started = threading.active_count(), time.monotonic()
    with _silent(context) as port, pytest.raises(UnreachableError):
        _destination(made, port, TRUSTED).store([report])
    assert time.monotonic() - started < 15
    assert threading.active_count() <= before
