import logging
from pathlib import Path

import pytest

from app.errors import ProfileError
from app.main import app_or_exit, settings_or_exit
from app.reading.from_settings import open_profile
from app.settings import Settings
from tests.app.reading import profiles
from tests.model_store.made import manifest


def test_without_one_the_model_s_own_numbers_count() -> None:
    assert open_profile(Settings(), manifest()) is None


def test_a_profile_of_the_model_counts(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    written = profiles.write(path, manifest())
    assert open_profile(Settings(profile=path), manifest()) == written


def test_a_profile_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profiles.write(path, manifest())
    other = manifest(version=2)
    with pytest.raises(ProfileError) as refused:
        open_profile(Settings(profile=path), other)
    assert str(refused.value) == (
        f"The site profile {path} is of pneumonia 1 with the digest {manifest().digest}, and not "
        f"of pneumonia 2 with the digest {other.digest}."
    )


def test_or_warned_of_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "profile.json"
    profiles.write(path, manifest())
    with caplog.at_level(logging.WARNING, "pneumoscope"):
        found = open_profile(Settings(profile=path, profile_mismatch="warn"), manifest(version=2))
    assert found is None
    [said] = caplog.messages
    assert said.endswith(": the model's own numbers count.")


def test_the_service_does_not_start_with_it(
    model_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "profile.json"
    profiles.write(path, manifest(version=2))
    monkeypatch.setenv("PNEUMOSCOPE_MODEL_STORE", str(model_root))
    monkeypatch.setenv("PNEUMOSCOPE_PROFILE", str(path))
    with pytest.raises(SystemExit) as ended:
        app_or_exit(settings_or_exit(Settings))
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"pneumoscope: The site profile {path} is of pneumonia 2 ")
    assert said.count("\n") == 1
