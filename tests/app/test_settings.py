import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings

PREFIX = "PNEUMOSCOPE_"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_defaults() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.engine, settings.model_name, settings.model_version) == (
        "auto",
        "pneumonia",
        None,
    )
    assert (settings.model_store / "manifest.py").is_file()


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("host", "0.0.0.0", "0.0.0.0"),  # noqa: S104
        ("port", "0", 0),
        ("root_path", "/xray/", "/xray"),
        ("root_path", "/", ""),
        ("cors_origins", "", ()),
        ("cors_origins", "*", ("*",)),
        (
            "cors_origins",
            "https://a.example, http://[::1]:8042",
            ("https://a.example", "http://[::1]:8042"),
        ),
        ("tokens", "/etc/tokens", Path("/etc/tokens")),
        ("tls_certificate", "/etc/tls.crt", Path("/etc/tls.crt")),
        ("tls_key", "/etc/tls.key", Path("/etc/tls.key")),
        ("tls_client_ca", "/etc/ca.crt", Path("/etc/ca.crt")),
        ("audit", "/var/audit", Path("/var/audit")),
        ("model_key", "/etc/pneumoscope.pub", Path("/etc/pneumoscope.pub")),
        ("engine", "tensorflow", "tensorflow"),
        ("mixed_precision", "true", True),
        ("model_store", "/srv/models", Path("/srv/models")),
        ("model_name", "tb", "tb"),
        ("model_version", "3", 3),
        ("max_upload_bytes", "1", 1),
        ("upload_seconds", "2.5", 2.5),
        ("max_pixels", "4096", 4096),
        ("max_files", "2", 2),
        ("max_in_flight", "1", 1),
        ("max_connections", "8", 8),
        ("unsuitable", "warn", "warn"),
        ("overlay_max_side", "64", 64),
        ("page", "false", False),
    ],
)
def test_the_environment(
    name: str, given: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name.upper(), "without the prefix it is not ours")
    monkeypatch.setenv(PREFIX + name.upper(), given)
    assert getattr(Settings(), name) == expected


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("root_path", "xray"),
        ("root_path", "//evil.example"),
        ("root_path", "/x?y"),
        ("engine", "torch"),
        ("model_version", "0"),
        ("max_upload_bytes", "0"),
        ("max_upload_bytes", "32M"),
        ("upload_seconds", "0"),
        ("max_pixels", "0"),
        ("max_files", "0"),
        ("max_in_flight", "0"),
        ("max_connections", "0"),
        ("unsuitable", "ignore"),
        ("overlay_max_side", "63"),
    ],
)
def test_invalid_values_are_named(name: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), given)
    with pytest.raises(ValidationError) as invalid:
        Settings()
    (error,) = invalid.value.errors()
    assert error["loc"] == (name,)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configure.md").read_text()
    for name, field in Settings.model_fields.items():
        (row,) = re.findall(rf"^\| `{PREFIX}{name.upper()}` \| (.*?) \|", page, re.MULTILINE)
        if isinstance(field.default, bool | int | str) and field.default != "":
            assert str(field.default).lower() in row.lower()


def test_they_do_not_change() -> None:
    settings: Any = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize(
    "origin", ["viewer.example", "https://viewer.example/", "https://", "null", "ftp://a", "**"]
)
def test_what_is_no_origin(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CORS_ORIGINS", f"https://viewer.example,{origin}")
    with pytest.raises(ValidationError, match="An origin is"):
        Settings()


@pytest.mark.parametrize(
    "url", ["pacs", "ftp://pacs", "http://", "https://me:secret@pacs", "https://pacs/?x=y"]
)
def test_what_is_no_destination(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}STOW_DESTINATION", url)
    with pytest.raises(ValidationError, match=r"It is an http\(s\) URL"):
        Settings()
