from io import StringIO

import pytest

from app.archive.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _counted(stream: StringIO, files: int, seconds: float, total: int | None) -> Progress:
    clock = Clock()
    progress = Progress(stream, clock)
    progress.total = total
    for _ in range(files):
        clock.now += seconds
        progress.count("NORMAL", known=False)
    return progress


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (None, "100 files, 2.0 a second"),
        (1000, "100 of 1000 files, 2.0 a second, 7 min 30 s left"),
        (120, "100 of 120 files, 2.0 a second, 10 s left"),
        (100, "100 of 100 files, 2.0 a second"),
        (100_000, "100 of 100000 files, 2.0 a second, 13 h 52 min left"),
    ],
)
def test_it_tells_how_far_it_is(total: int | None, said: str) -> None:
    assert str(_counted(StringIO(), 100, 0.5, total)) == said


def test_a_log_gets_a_line_every_ten_seconds() -> None:
    log = StringIO()
    _counted(log, 100, 0.31, 1000)
    assert len(log.getvalue().splitlines()) == 3
    assert "\r" not in log.getvalue()


def test_a_terminal_gets_one_line_that_changes() -> None:
    terminal = Terminal()
    progress = _counted(terminal, 100, 0.125, 100)
    progress.end()
    assert terminal.getvalue().count("\r") == 26
    assert terminal.getvalue().count("\n") == 2


def test_at_the_end_it_tells_what_came_out() -> None:
    log = StringIO()
    progress = _counted(log, 3, 1, 5)
    progress.count("unsupported_format", known=True)
    progress.count("PNEUMONIA", known=False)
    progress.end()
    assert log.getvalue() == (
        "5 of 5 files, 1 of them known before, 1.3 a second\n"
        "3 NORMAL, 1 PNEUMONIA, 1 unsupported_format\n"
    )


def test_what_was_known_before_does_not_hasten_the_rest() -> None:
    clock = Clock()
    progress = Progress(StringIO(), clock)
    progress.total = 200
    for _ in range(90):
        progress.count("NORMAL", known=True)
    for _ in range(10):
        clock.now += 1
        progress.count("NORMAL", known=False)
    assert str(progress).endswith("1.0 a second, 1 min 40 s left")
