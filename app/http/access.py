"""Who may ask, where `PNEUMOSCOPE_TOKENS` says so.

A request is refused by its head, before it has a place and before anything of its body is read.
"""

import logging
from http import HTTPStatus
from math import ceil

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.host.addresses import is_loopback
from app.http import problems
from app.http.problems import Problem
from app.http.rates import Rates
from app.http.routes import docs, page
from app.http.tokens import Caller, Tokens
from app.reading.metrics import Metrics
from app.settings import Settings

log = logging.getLogger("pneumoscope")

# Probes send no token, and neither does a browser that opens a page. The pages are files of the
# package, which tell nothing of this service; what they ask, they ask with a token.
_OPEN = frozenset({"/live", "/ready", "/openapi.json"}).union(
    route.path
    for route in (*docs.router.routes, *page.router.routes)
    if isinstance(route, APIRoute)
)
_CHALLENGE = 'Bearer realm="pneumoscope"'


class Access:
    """ASGI middleware that lets those through whose token is in the file, as often as they may.

    The scope of a request has its caller's name as `caller`.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, metrics: Metrics) -> None:
        self._app, self._tokens, self._metrics = app, tokens, metrics
        self._rates = Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_open(scope):
            try:
                caller = self._caller(scope)
                scope["caller"] = caller.name
                self._check_rate(caller)
            except Problem as problem:
                self._metrics.problems.labels(problem.details.code).inc()
                await problems.response(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized("This needs a token, in the header Authorization.", _CHALLENGE)
        caller = self._tokens.caller_of(token.strip())
        if caller is None:
            challenge = f'{_CHALLENGE}, error="invalid_token"'
            raise _unauthorized("The token is none that this service knows.", challenge)
        return caller

    def _check_rate(self, caller: Caller) -> None:
        if wait := self._rates.wait(caller):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_requests",
                f"This token is good for {caller.per_minute} requests a minute.",
                {"Retry-After": str(ceil(wait))},
            )


def warn_if_open(settings: Settings) -> None:
    """Say in the log where others than this machine may reach the service, and all of them ask."""
    if not (is_loopback(settings.host) or settings.tokens or settings.tls_client_ca):
        log.warning(
            "ANYBODY WHO REACHES %s:%d MAY ASK: neither PNEUMOSCOPE_TOKENS nor "
            "PNEUMOSCOPE_TLS_CLIENT_CA is set. docs/security.md says what to do.",
            settings.host,
            settings.port,
        )


def _is_open(scope: Scope) -> bool:
    # A proxy may take the prefix off the path, or leave it there.
    return scope["path"].removeprefix(scope.get("root_path", "")) in _OPEN


def _unauthorized(detail: str, challenge: str) -> Problem:
    headers = {"WWW-Authenticate": challenge}
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers)
