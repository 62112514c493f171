"""Around every request: an id, a metric, a line in the log, and a problem where the service fails.

Neither the log nor the metrics repeat what the client sent: no path, query, header or file name,
only the route that matched, and the name that the operator gave a token. But for the ids that
`correlation` takes: they are sent back, and in the scope as `request_id` and `trace`.
"""

import logging
import time
import traceback
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import correlation, problems
from app.reading import admission, stages
from app.reading.metrics import Metrics

if TYPE_CHECKING:
    from app.http.spans import Spans

log = logging.getLogger("pneumoscope")

_NO_ROUTE = "none"


class HeadAsGet:
    """ASGI middleware that answers HEAD as GET; the server omits the body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The server's own scope stays: it tells by it that there is no body to send.
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)


class UnderPath:
    """ASGI middleware that has a path's prefix passed over, where the proxy leaves it there."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "root_path": self._root_path}, receive, send)


class Observe:
    """ASGI middleware that observes each HTTP request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, spans: "Spans | None" = None) -> None:
        self._app = app
        self._metrics, self._spans = metrics, spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        admission.comes_from((scope.get("client") or ("",))[0])
        headers, status, started = Headers(scope=scope), 0, time.perf_counter()
        request_id, trace = correlation.request_id_of(headers), correlation.trace_of(headers)
        span = self._spans and self._spans.begin(scope["method"], request_id, trace)
        if span:
            trace = span.trace
            stages.tell(span.add)
        scope["request_id"], scope["trace"] = request_id, trace

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                answered["X-Request-ID"] = request_id
                if trace:
                    answered["traceparent"] = trace.traceparent
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            self._log_failure(request_id, error)
            if not status:
                self._metrics.problems.labels("internal_error").inc()
                await problems.failure()(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", None)
            if span:
                span.end(route, status)
            endpoint = route or _NO_ROUTE
            seconds = time.perf_counter() - started
            self._metrics.requests.labels(endpoint, str(status)).inc()
            self._metrics.request_seconds.labels(endpoint).observe(seconds)
            if caller := scope.get("caller"):
                self._metrics.caller_requests.labels(caller, str(status)).inc()
            of_trace = f" trace {trace.trace_id}" if trace else ""
            log.info("%s %s %d %.1f ms%s", request_id, endpoint, status, seconds * 1e3, of_trace)

    @staticmethod
    def _log_failure(request_id: str, error: Exception) -> None:
        """Log where it failed, without the error's message, which may quote the client's bytes."""
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s failed with %s\n%s", request_id, type(error).__qualname__, where)
