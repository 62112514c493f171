"""Spans of OpenTelemetry: one for each request, and in it one for each stage of its readings.

They have the route, the method, the status, the request's id and times, by OpenTelemetry's
conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/). What instruments FastAPI
would also tell paths, queries, addresses and what errors say, and so perhaps who a patient is.
"""

import asyncio
import logging
import time
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from app.http.correlation import Trace

_NAME = "pneumoscope"
# A client may call its method anything.
_METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
_ANOTHER_METHOD = "_OTHER"
_LAST_SECONDS = 5.0


class Spans:
    """Makes spans, and sends them in a thread of its own; OTEL_ variables say where and how."""

    def __init__(self) -> None:
        own = {"service.name": _NAME, "service.version": version(_NAME)}
        resource = Resource.create({**own, **OTELResourceDetector().detect().attributes})
        # It is no provider for the whole process, by which others would send theirs.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        # A failure is a line; of each attempt before it there would be another one.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer(_NAME, version(_NAME))

    def begin(self, method: str, request_id: str, trace: Trace | None) -> "RequestSpan":
        """Begin the span of a request.

        Args:
            method: of HTTP.
            request_id: its id.
            trace: that it belongs to; a new one if None.
        """
        return RequestSpan(self._tracer, method, request_id, trace)

    async def close(self) -> None:
        """Send what waits; where the collector does not take it soon, give it up."""
        closing = asyncio.create_task(asyncio.to_thread(self._provider.shutdown))
        await asyncio.wait([closing], timeout=_LAST_SECONDS)
        if not closing.done():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
        await closing


class RequestSpan:
    """The span of one request.

    Attributes:
        trace: where what the request causes belongs.
    """

    def __init__(self, tracer: Tracer, method: str, request_id: str, trace: Trace | None) -> None:
        self._tracer = tracer
        self._method = method if method in _METHODS else _ANOTHER_METHOD
        self._span = tracer.start_span(
            self._method,
            _parent(trace),
            SpanKind.SERVER,
            {"http.request.method": self._method, f"{_NAME}.request_id": request_id},
        )
        self._context = set_span_in_context(self._span, Context())
        context = self._span.get_span_context()
        self.trace = Trace(
            format_trace_id(context.trace_id),
            format_span_id(context.span_id),
            f"{context.trace_flags:02x}",
        )

    def add(self, stage: str, began: float, seconds: float) -> None:
        """Add the span of a stage that has passed.

        Args:
            stage: its name.
            began: when, by `time.perf_counter`.
            seconds: that it took.
        """
        start = time.time_ns() - int((time.perf_counter() - began) * 1e9)
        span = self._tracer.start_span(stage, self._context, start_time=start)
        span.end(start + int(seconds * 1e9))

    def end(self, route: str | None, status: int) -> None:
        """End it.

        Args:
            route: that matched.
            status: of the answer; 0 where there was none.
        """
        if route:
            self._span.update_name(f"{self._method} {route}")
            self._span.set_attribute("http.route", route)
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if not 0 < status < 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _parent(trace: Trace | None) -> Context:
    if trace is None:
        return Context()
    context = SpanContext(
        int(trace.trace_id, 16),
        int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(trace.flags, 16)),
    )
    return set_span_in_context(NonRecordingSpan(context), Context())
