import pytest

from app.pacs.node import seldom
from app.pacs.node.seldom import Seldom


def test_of_many_reasons_there_is_a_line_each_and_the_count_later(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Seldom()
    for _ in range(1000):
        log.warn("One.")
    log.warn("Other.")
    monkeypatch.setattr(seldom, "_SECONDS_BETWEEN_LINES", 0.0)
    log.warn("One.")
    log.warn("One.")
    assert caplog.messages == ["One.", "Other.", "One. (1000 times since the last line)", "One."]
