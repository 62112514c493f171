"""What is sent to a worklist, and how its answers are told."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.dicom_results.source import read_source
from app.errors import DeferredError, FailedError, RefusedError, UnreachableError
from app.pacs.notice import notice
from app.pacs.web.webhook import WebhookDestination
from tests.app.dicom_results import given
from tests.app.pacs.worklist import SECRET, Worklist

NOTICE = notice(read_source(given.source_file()), given.reading(), datetime.now(UTC))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("PNEUMOSCOPE_WEBHOOK_SECRET", SECRET)


@pytest.fixture
def worklist() -> Iterator[Worklist]:
    with Worklist().listening() as listening:
        yield listening


def _store(worklist: Worklist) -> bool:
    return WebhookDestination(worklist.url).store([NOTICE])


def test_a_notice_is_signed_and_has_the_same_id_whenever_it_is_sent(worklist: Worklist) -> None:
    _store(worklist)
    _store(worklist)

    first, second = worklist.notices
    assert first == second
    assert first["data"]["image"] == given.IMAGE


def test_another_secret_is_refused(worklist: Worklist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_WEBHOOK_SECRET", SECRET[:-4] + "AAAA")

    with pytest.raises(RefusedError, match=r"^The webhook answered with status 400\.$"):
        _store(worklist)
    assert not worklist.notices


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_speaks_of_the_notice_is_a_refusal(worklist: Worklist, status: int) -> None:
    worklist.status = status

    with pytest.raises(RefusedError):
        _store(worklist)


@pytest.mark.parametrize("status", [301, 307, 404, 410, 500])
def test_what_does_not_may_change(worklist: Worklist, status: int) -> None:
    worklist.status = status

    with pytest.raises(FailedError, match=rf"^The webhook answered with status {status}\.$"):
        _store(worklist)
    assert not worklist.notices


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_receiver_that_is_away_gets_it_later(worklist: Worklist, status: int) -> None:
    worklist.status = status

    with pytest.raises(UnreachableError) as away:
        _store(worklist)
    assert not isinstance(away.value, DeferredError)


def test_nobody_listens() -> None:
    with pytest.raises(UnreachableError, match=r"^The webhook did not answer\.$"):
        _store(Worklist())


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 92, "whsec_?", "a" + SECRET]
)
def test_a_secret_that_is_none(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_WEBHOOK_SECRET", secret)

    with pytest.raises(ValueError, match=r"^PNEUMOSCOPE_WEBHOOK_SECRET is whsec_ and"):
        WebhookDestination("http://worklist.example/hook")


@pytest.mark.parametrize("url", ["hook", "http://", "https://me:secret@hook", "https://hook/?x=y"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(The address of a webhook|Credentials)") as wrong:
        WebhookDestination(url)
    assert "secret" not in str(wrong.value)


def test_nothing_is_logged_or_quoted(worklist: Worklist, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pneumoscope")
    worklist.status = 422

    with pytest.raises(RefusedError) as refused:
        _store(worklist)

    said = caplog.text + str(refused.value)
    assert not [value for value in ("A1", given.STUDY, worklist.url, SECRET) if value in said]
