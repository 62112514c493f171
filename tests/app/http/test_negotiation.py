"""The media type of an answer, whatever the Accept header holds."""

import time

import pytest
from fastapi import Request

from app.http.negotiation import JSON, accepted
from app.http.problems import Problem


def _asking(accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", accept.encode())]})


def test_a_long_list_is_read() -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

    assert accepted(_asking(5 * f"{browser},"), [JSON], b"") == JSON


@pytest.mark.parametrize("header", [";" * 10**6, "*/*" + ';"' * 10**6, "*/*," * 10**6])
def test_a_header_without_end_is_not_read(header: str) -> None:
    started = time.thread_time()

    with pytest.raises(Problem) as refused:
        accepted(_asking(header), [JSON], b"")

    assert refused.value.details.code == "not_acceptable"
    assert time.thread_time() - started < 1
