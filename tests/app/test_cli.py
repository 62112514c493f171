from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from model_store.store import resolve
from tests.model_store.made import write


def test_a_version_is_in_use_once_it_was_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_MODEL_STORE", str(tmp_path))
    old, new = (write(tmp_path, version=version) for version in (1, 2))

    used = CliRunner().invoke(cli, ["model", "use", "1"])
    assert used.output == f"{old} is in use\n"
    assert resolve(tmp_path).path == old

    (new / "saved_model.pb").write_bytes(b"another")
    refused = CliRunner().invoke(cli, ["model", "use", "2"])
    assert refused.exit_code == 1
    assert "does not match the SHA-256" in refused.output
    assert resolve(tmp_path).path == old
