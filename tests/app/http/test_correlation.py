"""Ids that clients send: which are taken, and where they are then."""

import logging
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from app.http import correlation
from app.http.correlation import Trace
from tests.app.conftest import Scripted, serving, wait_until_ready
from tests.app.pacs.network import wait_until

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
# Whatever is malformed says so.
PLANTED = "Planted"


def _headers(name: str, *values: str) -> Headers:
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for value in values])


@pytest.mark.parametrize(
    "given", ["a", "0b1e2a6c-7f0d-4c7e-9a55-6b6a4c1d2e3f", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x" * 64]
)
def test_an_id_is_taken_over(given: str) -> None:
    assert correlation.request_id_of(_headers("x-request-id", given)) == given


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["x" * 65],
        ["two words"],
        ["tab\tbed"],
        ["Doe^Jane"],
        ["Ödipus"],
        ["٣"],
        ["$(id)"],
        ["a", "b"],
    ],
    ids=["none", "empty", "long", "space", "tab", "caret", "Latin-1", "digit", "shell", "two"],
)
def test_another_gets_a_new_one(values: list[str]) -> None:
    headers = Headers(raw=[(b"x-request-id", value.encode()) for value in values])
    given = correlation.request_id_of(headers)
    assert given not in values
    assert len(given) == 32
    assert given != correlation.request_id_of(headers)


@pytest.mark.parametrize(
    "given", [TRACEPARENT, f"01-{TRACE_ID}-{SPAN_ID}-01", f"cc-{TRACE_ID}-{SPAN_ID}-01-{PLANTED}"]
)
def test_a_trace_is_taken_over(given: str) -> None:
    trace = correlation.trace_of(_headers("traceparent", given))
    assert trace == Trace(TRACE_ID, SPAN_ID, "01")
    assert trace.traceparent == TRACEPARENT


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [TRACEPARENT.upper()],
        [f"{TRACEPARENT}-more"],
        [f"{TRACEPARENT} "],
        [f"ff-{TRACE_ID}-{SPAN_ID}-01"],
        [f"01-{TRACE_ID}-{SPAN_ID}-01more"],
        [f"00-{'0' * 32}-{SPAN_ID}-01"],
        [f"00-{TRACE_ID}-{'0' * 16}-01"],
        [f"00-{TRACE_ID[1:]}-{SPAN_ID}-01"],
        [f"00-{TRACE_ID[1:]}g-{SPAN_ID}-01"],
        [TRACEPARENT, TRACEPARENT],
    ],
)
def test_what_is_no_trace_is_none(values: list[str]) -> None:
    assert correlation.trace_of(_headers("traceparent", *values)) is None


@pytest.fixture
def client(scripted: Scripted, app: FastAPI) -> Iterator[httpx.Client]:
    with serving(app) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    """The service's own log, without that of the tests' client."""
    caplog.set_level(logging.WARNING, "httpx")
    caplog.set_level(logging.INFO, "pneumoscope")


@pytest.mark.parametrize("path", ["/predict", "/nowhere"])
def test_ids_are_in_the_answer_and_in_the_log(
    client: httpx.Client, xray: bytes, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    headers = {"X-Request-ID": "ward-7.0815", "traceparent": TRACEPARENT}
    answer = client.post(path, files={"file": xray}, headers=headers)

    assert answer.headers["x-request-id"] == "ward-7.0815"
    assert answer.headers["traceparent"] == TRACEPARENT
    # The line comes after the answer.
    wait_until(lambda: "ward-7.0815 " in caplog.text, "the request is logged")
    assert caplog.messages[-1].endswith(f" ms trace {TRACE_ID}")


def test_nothing_malformed_is_logged_or_sent_back(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"X-Request-ID": f"{PLANTED} Jane", "traceparent": f"00-{PLANTED}-{SPAN_ID}-01"}
    answer = client.get("/live", headers=headers)

    assert answer.is_success
    wait_until(lambda: " /live " in caplog.text, "the request is logged")
    assert "traceparent" not in answer.headers
    assert PLANTED not in str(answer.headers) + answer.text + caplog.text
