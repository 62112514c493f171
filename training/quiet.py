"""Keras and TensorFlow without the messages of their start that nobody can act on."""

import os
import re
import sys
import tempfile
from pathlib import Path

from app.host import process

# Of what TensorFlow logs, only errors.
_LEAST = "2"
_DRIVER = Path("/proc/driver/nvidia/version")
# Its libraries log before they read that level, each line with its severity in front.
_NOISE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} ")
# That there is no GPU is an error only where there is a driver for one.
_NO_GPU = re.compile(rb"E\d{4} .* failed call to cuInit")


def start_keras() -> None:
    """Import Keras; of what its backend writes to stderr meanwhile, only what tells of an error."""
    process.prepare()
    process.use_a_temporary_folder()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _LEAST)
    sys.stderr.flush()
    # Libraries write to the descriptor, not to Python's stream.
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            _load()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written:
                if not _is_noise(line):
                    os.write(2, line)


def _load() -> None:
    import keras

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        # It looks for GPUs when they are first asked for, and tells what it found.
        tf.config.list_physical_devices()


def _is_noise(line: bytes) -> bool:
    return bool(_NOISE.match(line) or (not _DRIVER.exists() and _NO_GPU.match(line)))
