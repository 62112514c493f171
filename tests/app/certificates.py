"""Certificates of a test's own authority, made by openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def make(folder: Path) -> Path:
    """A folder of `NAME.pem` and `NAME.key`: ca, server and client of it, and other without it."""
    certify(folder, "ca", "-addext", "basicConstraints=critical,CA:TRUE")
    certify(folder, "other")
    by_ca = ["-CA", "ca.pem", "-CAkey", "ca.key"]
    certify(folder, "server", *by_ca, "-addext", "subjectAltName=IP:127.0.0.1")
    certify(folder, "client", *by_ca)
    return folder


def certify(folder: Path, name: str, *options: str) -> None:
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
    command = ["openssl", "req", "-x509", "-days", "1", *new_key, *files, *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
