"""A training that is killed at a moment of a test's choice."""

from collections.abc import Callable
from typing import Any

import pytest


class Killed(BaseException):
    """Stands in for SIGKILL: no callback's `on_train_end` runs."""


def kill(
    monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, when: Callable[..., bool]
) -> None:
    """Kill the fit right after the call of a method for which `when` holds."""
    original = getattr(owner, method)

    def killed(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if when(*arguments):
            raise Killed
        return result

    monkeypatch.setattr(owner, method, killed)
