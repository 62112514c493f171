"""HTTP within bounds, save that a full service refuses before there is a task for a request.

A full service is asked most of all, and what it spends on refusals it takes from its answers. So
these are counted, but have neither an id nor a line in the log of their own.
"""

import asyncio
import logging
import time
from typing import Literal

from fastapi import FastAPI
from fastapi.routing import APIRoute
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.errors import BusyError
from app.http import connections, problems, uvicorn_internals
from app.http.connections import Bounded, Crowd
from app.http.routes import explain, picture, predict
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings

log = logging.getLogger("pneumoscope")

# uvicorn's own.
UNBOUNDED: Literal["httptools"] = "httptools"

_SECONDS_BETWEEN_LINES = 10.0
_GRACE_SECONDS = 5.0


class _Over(RequestResponseCycle):
    """A request that has its answer: uvicorn reads past what is left of its body."""

    def __init__(self) -> None:
        self.response_complete = True
        self.message_event = asyncio.Event()


def protocol_for(app: FastAPI) -> type[Bounded] | Literal["httptools"]:
    """The protocol for uvicorn's `http`: ours, or uvicorn's own where ours would not fit it."""
    if missing := uvicorn_internals.missing():
        log.warning(
            "Connections are not bounded: this version of uvicorn has no %s.", ", ".join(missing)
        )
        return UNBOUNDED
    return refusing(app)


def refusing(app: FastAPI) -> type[Bounded]:
    """The protocol for uvicorn's `http`, which refuses readings while the reader is full.

    What is asked in another way than most clients do (with a query, from a page of another origin,
    to close the connection, or without reading the answers) goes through the app, which refuses it
    just so.
    """
    reader: Reader = app.state.reader
    settings: Settings = app.state.settings
    metrics: Metrics = app.state.metrics
    busy = problems.of(BusyError())
    refusal = connections.raw(busy)
    status = f"{busy.details.status:d}"
    # A proxy may take the prefix off the path, or leave it there.
    refused = {
        f"{prefix}{route.path}".encode(): metrics.requests.labels(route.path, status)
        for prefix in {"", settings.root_path}
        for route in (*predict.router.routes, *explain.router.routes, *picture.router.routes)
        if isinstance(route, APIRoute)
    }
    problem = metrics.problems.labels(busy.details.code)
    over = _Over()
    logged = -_SECONDS_BETWEEN_LINES

    class Refusing(Bounded):
        crowd = Crowd(
            metrics,
            connections.most_connections(settings.max_connections),
            # The app tells a slow client first.
            settings.upload_seconds + _GRACE_SECONDS,
        )

        def on_request(self) -> None:
            if not (self.url in refused and self._is_plain_post() and self._is_refused()):
                super().on_request()
                return
            refused[self.url].inc()
            problem.inc()
            self.transport.write(refusal)
            self.cycle = over
            self.on_response_complete()
            say()

        def _is_refused(self) -> bool:
            return reader.refuses(self.client[0] if self.client else "")

        def _is_plain_post(self) -> bool:
            return (
                self.parser.get_method() == b"POST"
                and (self.cycle is None or self.cycle.response_complete)
                and not self.has_offer
                and self.parser.should_keep_alive()
                and not any(name == b"origin" for name, _ in self.headers)
                and not self.flow.write_paused
            )

    def say() -> None:
        nonlocal logged
        now = time.monotonic()
        if now - logged >= _SECONDS_BETWEEN_LINES:
            logged = now
            log.warning("Refusing requests: as many are at work as the service can hold.")

    return Refusing
