import pytest

from app.http.rates import Rates
from app.http.tokens import Caller

SEVEN = Caller("ward", 7)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_requests_come_at_once_and_then_one_by_one() -> None:
    clock = Clock()
    rates = Rates(clock)

    assert [rates.wait(SEVEN) for _ in range(7)] == [0] * 7
    assert rates.wait(SEVEN) == pytest.approx(60 / 7)
    # A refusal costs nothing.
    clock.now += 60 / 7 + 0.001
    assert rates.wait(SEVEN) == 0
    assert rates.wait(SEVEN) > 8


def test_no_more_than_a_minutes_requests_are_saved_up() -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.wait(SEVEN)
    clock.now += 86_400

    assert [rates.wait(SEVEN) > 0 for _ in range(8)] == [False] * 7 + [True]


def test_each_caller_has_its_own() -> None:
    rates = Rates(Clock())
    one, other, free = Caller("a", 1), Caller("b", 1), Caller("c")

    assert [rates.wait(caller) for caller in (one, other, free, free)] == [0] * 4
    assert rates.wait(one) == 60
