"""Spans, as a collector gets them over OTLP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="pneumoscope[otel] is not installed")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.http import spans
from app.http.protocol import refusing
from app.main import create_app
from app.settings import Settings
from benchmarks.ports import free_port
from tests.app.conftest import Scripted, serving, wait_until_ready
from tests.app.http_stub import Quiet, answering

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PLANTED = "Planted"


class Collector:
    """What takes spans over OTLP/HTTP."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def of(self, name: str) -> Span:
        [span] = [span for span in self.spans if span.name == name]
        return span

    def handler(collector) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                collector.bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        return Handler


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    with answering(collector.handler()) as port:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        yield collector


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@contextmanager
def _service(settings: Settings) -> Iterator[httpx.Client]:
    """A service, all of whose spans are sent once the block has ended."""
    app = create_app(settings)
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        yield client


def _attributes(span: Span) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_reading_is_a_span_with_its_stages(
    scripted: Scripted, settings: Settings, collector: Collector, xray: bytes
) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "X-Request-ID": "ward-7.0815"}
    with _service(settings) as client:
        answer = client.post("/explain", files={"file": xray}, headers=headers)
        assert answer.is_success

    request = collector.of("POST /explain")
    assert request.kind == Span.SPAN_KIND_SERVER
    assert request.trace_id.hex() == TRACE_ID
    assert request.parent_span_id.hex() == SPAN_ID
    assert answer.headers["traceparent"] == f"00-{TRACE_ID}-{request.span_id.hex()}-01"
    assert _attributes(request) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/explain",
        "pneumoscope.request_id": "ward-7.0815",
    }
    stages = [span for span in collector.spans if span.parent_span_id == request.span_id]
    stages.sort(key=lambda span: span.end_time_unix_nano)
    assert [span.name for span in stages] == ["queue", "decode", "queue", "infer", "render"]
    for before, after in pairwise(stages):
        # The clocks of both are not the same one.
        assert after.start_time_unix_nano - before.end_time_unix_nano > -(10**6)
    assert request.start_time_unix_nano - 10**6 < stages[0].start_time_unix_nano
    assert stages[-1].end_time_unix_nano < request.end_time_unix_nano + 10**6


def test_nothing_else_of_a_request_is_told(
    scripted: Scripted, settings: Settings, collector: Collector, xray: bytes
) -> None:
    headers = {"User-Agent": PLANTED, "X-Request-ID": f"{PLANTED} Jane", "baggage": f"a={PLANTED}"}
    with _service(settings) as client:
        files = {"file": (f"{PLANTED}.png", xray)}
        client.post(f"/predict?name={PLANTED}", files=files, headers=headers)
        client.get(f"/{PLANTED}", headers=headers)
        scripted.error = RuntimeError(PLANTED)
        failed = client.post("/predict", files=files, headers=headers)
        scripted.error = None

    assert failed.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    spans = {_attributes(span).get("http.response.status_code"): span for span in collector.spans}
    assert spans[404].name == "GET"
    assert spans[500].status.code == Status.STATUS_CODE_ERROR
    assert spans[200].status.code == Status.STATUS_CODE_UNSET
    assert PLANTED.encode() not in b"".join(collector.bodies)
    resource = ExportTraceServiceRequest.FromString(collector.bodies[0]).resource_spans[0].resource
    named = {one.key: one.value.string_value for one in resource.attributes}
    assert named["service.name"] == "pneumoscope"
    assert named.keys() == {
        *("service.name", "service.version", "service.instance.id"),
        *("telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version"),
    }


def test_a_trace_that_is_not_recorded_is_not_sent(
    scripted: Scripted, settings: Settings, collector: Collector
) -> None:
    with _service(settings) as client:
        answer = client.get("/model", headers={"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-00"})
    assert answer.headers["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert answer.headers["traceparent"].endswith("-00")
    assert "GET /model" not in {span.name for span in collector.spans}


def test_a_collector_that_is_away_costs_nothing(
    scripted: Scripted,
    settings: Settings,
    xray: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(spans, "_LAST_SECONDS", 0.2)
    with _service(settings) as client:
        assert client.post("/predict", files={"file": xray}).is_success
        ending = time.monotonic()
    assert time.monotonic() - ending < 10
    assert "Traceback" not in caplog.text
