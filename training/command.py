"""The command that runs now, as a person would type it."""

import shlex
import sys


def command() -> str:
    """To be written beside what it makes."""
    return shlex.join(["python", "-m", "training", *sys.argv[1:]])
