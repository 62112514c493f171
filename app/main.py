"""The service: `create_app`, and the ASGI entry `app.main:app`."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from multiprocessing import parent_process
from typing import Any, NoReturn, TypeVar

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from app.audit.record import Record
from app.errors import ProfileError, ServeError
from app.host import environment, heartbeat, logs, process
from app.http import problems, tracing
from app.http.access import Access
from app.http.lingering import Lingering
from app.http.middleware import HeadAsGet, Observe, UnderPath
from app.http.routes import docs, explain, page, parts, picture, predict, service
from app.http.tokens import Tokens
from app.reading import changes
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings
from model_store.store import ModelError

_DESCRIPTION = """\
Reads frontal chest X-rays for pneumonia: a calibrated probability, a label, and where the model
looked. For research use only: not a medical device.
"""

_READABLE_HEADERS = (
    "Retry-After",
    "Server-Timing",
    "traceparent",
    "X-Request-ID",
    *picture.HEADERS,
)
# For the description of the endpoints, and the field for a token in `/docs`.
_TOKEN: dict[str, Any] = {
    "dependencies": [Depends(HTTPBearer(auto_error=False))],
    "responses": parts.problem_responses(401, 429),
}
# With which uvicorn's worker says that another one would fail too.
_FAILED_TO_START = 3

S = TypeVar("S", bound=BaseSettings)


def create_app(settings: Settings) -> FastAPI:
    """Load the model, and build the app around it.

    Raises:
        ServeError: a file that a setting names is not what it should be.
        ModelError: the model is missing, not what its manifest says, or breaks the contract.
        ProfileError: the site profile cannot be used.
    """
    tokens = Tokens(settings.tokens) if settings.tokens else None
    record = Record(settings.audit) if settings.audit else None
    metrics = Metrics()
    reader = load_reader(settings, metrics)
    spans = tracing.spans(os.environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        beating = heartbeat.beating(settings.heartbeat, lambda: reader.is_ready)
        changing = changes.on_hangup(settings, reader, metrics)
        async with reader.running(), beating, changing:
            yield
        if record:
            record.close()
        if spans:
            await spans.close()

    app = FastAPI(
        title="pneumoscope",
        description=_DESCRIPTION,
        version=version("pneumoscope"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        # Relative to the description's own address (OpenAPI 3.1, 4.8.5), wherever a proxy has it.
        servers=[{"url": "."}],
        root_path_in_servers=False,
        # They would lead out of the prefix, and repeat the query.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # It would tell paths, queries and addresses, whatever `spans` leaves out.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.reader, app.state.settings, app.state.metrics = reader, settings, metrics
    app.state.record = record
    if tokens:
        app.add_middleware(Access, tokens=tokens, metrics=metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],
            expose_headers=_READABLE_HEADERS,
        )
    app.add_middleware(Observe, metrics=metrics, spans=spans)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Lingering)
    if settings.root_path:
        app.add_middleware(UnderPath, root_path=settings.root_path)
    problems.install(app, metrics)
    for module in (predict, explain, picture, service):
        app.include_router(module.router, **(_TOKEN if tokens else {}))
    if settings.stow_destination:
        # Here, since what it needs takes half a second of a start that may never need it.
        from app.http.routes import studies

        app.include_router(studies.router, **(_TOKEN if tokens else {}))
    app.include_router(docs.router)
    if settings.page:
        app.include_router(page.router)
    return app


def __getattr__(name: str) -> FastAPI:
    """Make `app` when a server asks for it, not when the module is imported."""
    if name != "app":
        raise AttributeError(name)
    process.prepare()
    logs.keep_requests_out()
    if parent_process():
        _end("a server's workers are not for it; start one process on each of several ports.")
    return app_or_exit(settings_or_exit(Settings))


def app_or_exit(settings: Settings) -> FastAPI:
    """The app, or one sentence on standard error and the end."""
    try:
        return create_app(settings)
    except (ModelError, ProfileError, ServeError) as error:
        _end(str(error))


def settings_or_exit(kind: type[S]) -> S:
    """The environment's settings, or one sentence on standard error and the end."""
    # Of all the commands, for they may share one environment.
    from app.pacs.node.settings import NodeSettings

    known = environment.names(Settings) + environment.names(NodeSettings)
    if sentence := environment.unknown(os.environ, known):
        _end(sentence)
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "_".join(str(part) for part in first["loc"])
        name = f"{kind.model_config['env_prefix']}{place}".upper()
        _end(f"{name}: {first['msg']}.")


def _end(sentence: str) -> NoReturn:
    print(f"pneumoscope: {sentence}", file=sys.stderr)  # noqa: T201
    sys.exit(_FAILED_TO_START if parent_process() else 1)
