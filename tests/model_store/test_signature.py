"""Versions that somebody signed, with a key of their own, and what is done to them afterwards."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_store.signature import check_signature
from model_store.store import ModelError, resolve
from tests.model_store.made import manifest, write

signing = pytest.importorskip("model_signing.signing", reason="pneumoscope[signing] is missing")

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402

_PEM = serialization.Encoding.PEM
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
_PRIVATE = serialization.PrivateFormat.PKCS8


def _keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A new private key, and its public one."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(_PEM, _PRIVATE, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(_PEM, _PUBLIC))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return _keys(tmp_path)


@pytest.fixture
def version(tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    """A signed version's folder."""
    path = write(tmp_path / "store")
    _sign(path, keys[0])
    return path


def _sign(path: Path, private: Path) -> None:
    config = signing.Config().use_elliptic_key_signer(private_key=private)
    config.sign(path, path.with_name(f"{path.name}.sig"))


def _refusal(tmp_path: Path, public: Path) -> str:
    with pytest.raises(ModelError) as refused:
        check_signature(resolve(tmp_path / "store"), public)
    return str(refused.value).replace(str(tmp_path), "ROOT")


def test_a_signed_version(tmp_path: Path, version: Path, keys: tuple[Path, Path]) -> None:
    check_signature(resolve(tmp_path / "store"), keys[1])


def test_the_command_of_model_signing_makes_the_same(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    path = write(tmp_path / "store")
    signature = path.with_name("1.sig")
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(path)]
    options = ["--private_key", str(keys[0]), "--signature", str(signature)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    check_signature(resolve(tmp_path / "store"), keys[1])


def test_no_signature(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    write(tmp_path / "store")
    assert _refusal(tmp_path, keys[1]) == "The signature ROOT/store/pneumonia/1.sig is missing."


NOT_OF_THEM = "The signature ROOT/store/pneumonia/1.sig is not one of this model and key."


def test_the_key_of_somebody_else(tmp_path: Path, version: Path) -> None:
    assert _refusal(tmp_path, _keys(tmp_path, "other")[1]) == NOT_OF_THEM


def test_a_file_and_its_digest_changed_together(
    tmp_path: Path, version: Path, keys: tuple[Path, Path]
) -> None:
    signature = version.with_name("1.sig").read_bytes()
    shutil.rmtree(version)
    calibration = manifest().calibration.model_copy(update={"novelty_limit": 99.0})
    path = write(tmp_path / "store", calibration=calibration)
    path.with_name("1.sig").write_bytes(signature)
    assert _refusal(tmp_path, keys[1]) == NOT_OF_THEM


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"dsseEnvelope": 1}'])
def test_a_signature_that_is_none(
    tmp_path: Path, version: Path, keys: tuple[Path, Path], content: bytes
) -> None:
    version.with_name("1.sig").write_bytes(content)
    assert _refusal(tmp_path, keys[1]) == NOT_OF_THEM


def test_a_key_that_is_none(tmp_path: Path, version: Path) -> None:
    of_rsa = rsa.generate_private_key(65537, 2048).public_key().public_bytes(_PEM, _PUBLIC)
    public = tmp_path / "wrong.pub"
    for content in (b"", b"-----BEGIN PUBLIC KEY-----\n", of_rsa):
        public.write_bytes(content)
        assert _refusal(tmp_path, public) == "The public key ROOT/wrong.pub cannot be read."
    assert _refusal(tmp_path, tmp_path) == "The public key ROOT cannot be read."


def test_nothing_is_installed_that_can_tell(
    tmp_path: Path, version: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    told = "A signature is asked for, but pneumoscope[signing] is not installed."
    assert _refusal(tmp_path, keys[1]) == told
