"""The entry of the command `pneumoscope`: it can be told to end before it has loaded anything.

The first process of a container ignores SIGTERM until it says what to do then, and to load the
libraries and the model takes seconds.
"""

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command; until it has a better way, SIGTERM ends it at once."""
    signal.signal(signal.SIGTERM, _end)
    from app.cli import cli

    cli()


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
