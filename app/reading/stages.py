"""Who is told of the stages that a reading goes through, as they pass."""

from collections.abc import Callable
from contextvars import ContextVar

# Is told a stage, when it began, by `time.perf_counter`, and the seconds that it took.
Listener = Callable[[str, float, float], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(listener: Listener) -> None:
    """Have the stages told of the work of this task, and of those that it starts."""
    _listener.set(listener)


def passed(stage: str, began: float, seconds: float) -> None:
    """Say that a stage of this task's work has passed."""
    if listener := _listener.get():
        listener(stage, began, seconds)
