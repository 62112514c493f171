"""The service: `create_app`, and the ASGI entry `app.main:app`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TypeVar

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from app import problems, schemas
from app.inference import engine
from app.metrics import Metrics
from app.middleware import Observe
from app.reader import Reader
from app.routes import explain, predict, service
from app.settings import Settings
from model_store.store import ModelError, resolve

_DESCRIPTION = """\
Reads frontal chest X-rays for pneumonia: a calibrated probability, a label, and where the model
looked. For research use only: not a medical device.
"""


S = TypeVar("S", bound=BaseSettings)


def load_reader(settings: Settings) -> Reader:
    """Load the model.

    Raises:
        ModelError: the model is missing, not what its manifest says, or breaks the contract.
    """
    model = resolve(settings.model_store, settings.model_name, settings.model_version)
    metrics = Metrics()
    loaded = engine.load(model, settings.engine, settings.mixed_precision)
    reader = Reader(settings, model.manifest, loaded, metrics)
    info = schemas.model(reader).model_dump()
    metrics.model.info({name: str(value) for name, value in info.items()})
    return reader


def create_app(settings: Settings) -> FastAPI:
    """Load the model, and build the app around it.

    Raises:
        ModelError: the model is missing, not what its manifest says, or breaks the contract.
    """
    reader = load_reader(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with reader.running():
            yield

    app = FastAPI(
        title="pneumoscope",
        description=_DESCRIPTION,
        version=version("pneumoscope"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.reader = reader
    app.add_middleware(Observe, metrics=reader.metrics)
    problems.install(app)
    for module in (predict, explain, service):
        app.include_router(module.router)
    patch_fastapi(app)
    return app


def __getattr__(name: str) -> FastAPI:
    """Make `app` when a server asks for it, not when the module is imported."""
    if name != "app":
        raise AttributeError(name)
    return app_or_exit()


def app_or_exit() -> FastAPI:
    """The app of the environment's settings, or one sentence on standard error and the end."""
    settings = settings_or_exit(Settings)
    try:
        return create_app(settings)
    except ModelError as error:
        sys.exit(f"pneumoscope: {error}")


def settings_or_exit(kind: type[S]) -> S:
    """The environment's settings, or one sentence on standard error and the end."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "_".join(str(part) for part in first["loc"])
        name = f"{kind.model_config['env_prefix']}{place}".upper()
        sys.exit(f"pneumoscope: {name}: {first['msg']}.")
