"""The service: `create_app`, the ASGI entry `app.main:app`, and the command `pneumoscope`."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import typer
import uvicorn
from fastapi import FastAPI
from fastapi_swagger import patch_fastapi
from pydantic import ValidationError

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


def create_app(settings: Settings) -> FastAPI:
    """Load the model, and build the app around it.

    Raises:
        ModelError: the model is missing, not what its manifest says, or breaks the contract.
    """
    model = resolve(settings.model_store, settings.model_name, settings.model_version)
    metrics = Metrics()
    reader = Reader(settings, model.manifest, engine.load(model, settings.engine), metrics)
    info = schemas.model(reader).model_dump()
    metrics.model.info({name: str(value) for name, value in info.items()})

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
    app.add_middleware(Observe, metrics=metrics)
    problems.install(app)
    for module in (predict, explain, service):
        app.include_router(module.router)
    patch_fastapi(app)
    return app


def __getattr__(name: str) -> FastAPI:
    """Make `app` when a server asks for it, not when the module is imported."""
    if name != "app":
        raise AttributeError(name)
    return _app_or_exit()


cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@cli.callback()
def main() -> None:
    """Read chest X-rays for pneumonia. For research use only: not a medical device."""


@cli.command()
def serve() -> None:
    """Serve over HTTP. Environment variables that start with PNEUMOSCOPE_ configure it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = _app_or_exit()
    settings: Settings = app.state.reader.settings
    uvicorn.run(app, host=settings.host, port=settings.port, access_log=False)


def _app_or_exit() -> FastAPI:
    """The app of the environment's settings, or one sentence on standard error and the end."""
    try:
        return create_app(Settings())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(["PNEUMOSCOPE", *(str(part) for part in first["loc"])]).upper()
        sys.exit(f"pneumoscope: {name}: {first['msg']}.")
    except ModelError as error:
        sys.exit(f"pneumoscope: {error}")
