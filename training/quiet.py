"""Keras and its backend without the messages of their start that nobody can act on."""

import os
import re
import sys
import tempfile

# Of what TensorFlow logs, only errors.
_LEAST = "2"
# Its libraries log before they read that level, each line with its severity in front.
_NOISE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|[IW]\d{4} ")


def start_keras() -> None:
    """Import Keras; of what it writes to stderr meanwhile, only what tells of an error."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _LEAST)
    sys.stderr.flush()
    # Libraries write to the descriptor, not to Python's stream.
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            import keras  # noqa: F401
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written:
                if not _NOISE.match(line):
                    os.write(2, line)
