"""What the start of Keras and TensorFlow leaves in the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training import quiet

NOISE = b"""\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795668576.792409   29191 port.cc:153] oneDNN custom operations are on.
W0000 00:00:1795668576.792409   29191 x.cc:1] a warning
E0000 00:00:1795669433.012131   30804 cuda_platform.cc:52] failed call to cuInit: INTERNAL: 303
"""
ERRORS = b"""\
E0000 00:00:1795669433.012131   30804 x.cc:52] the disk is full
ImportError: no such library
"""


def start(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, told: bytes) -> str:
    """What is left of what a start tells."""
    monkeypatch.setattr(quiet, "_load", lambda: os.write(2, told))
    quiet.start_keras()
    return capfd.readouterr().err


def test_noise_is_kept_out(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_DRIVER", Path("/nowhere"))
    assert start(capfd, monkeypatch, NOISE) == ""


def test_errors_are_told(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start(capfd, monkeypatch, NOISE + ERRORS).endswith(ERRORS.decode())


def test_with_a_driver_a_missing_gpu_is_an_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_DRIVER", Path(os.devnull))
    told = start(capfd, monkeypatch, NOISE)
    assert "cuInit" in told
    assert len(told.splitlines()) == 1


def test_a_failed_start_tells_what_was_written(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        os.write(2, NOISE + ERRORS)
        raise ImportError("broken")

    monkeypatch.setattr(quiet, "_load", fail)
    with pytest.raises(ImportError, match="broken"):
        quiet.start_keras()
    assert capfd.readouterr().err.endswith(ERRORS.decode())


def test_a_real_start_and_a_first_operation_tell_nothing() -> None:
    script = (
        "from training.quiet import start_keras; start_keras(); import keras;"
        "print(float(keras.ops.sum(keras.ops.ones((2, 2)))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("4.0\n", "")
