import shlex
import sys

import pytest

from training.command import command


def test_the_command_can_be_typed_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["fit", "my images", "--run", "runs/a"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/training/__main__.py", *typed])
    assert command() == "python -m training fit 'my images' --run runs/a"
    assert shlex.split(command())[3:] == typed
