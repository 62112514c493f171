"""The model that the settings name, opened and checked, and a reader of it."""

import time

from app.inference.load import load
from app.reading.limits import Limits
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings
from model_store.signature import check_signature
from model_store.store import ModelVersion, resolve


def open_model(settings: Settings) -> ModelVersion:
    """The version, whose files and signature were checked.

    Raises:
        ModelError: it is missing, not what its manifest says, or not signed as the settings ask.
    """
    model = resolve(settings.model_store, settings.model_name, settings.model_version)
    if settings.model_key:
        check_signature(model, settings.model_key)
    return model


def load_reader(settings: Settings, metrics: Metrics) -> Reader:
    """Load the model.

    Raises:
        ModelError: as `open_model`, or it breaks the contract.
    """
    started = time.monotonic()
    version = open_model(settings)
    loaded = load(version, settings.engine, settings.mixed_precision)
    reader = Reader(version.manifest, loaded, metrics, limits(settings))
    model = reader.model
    metrics.model.info(
        {
            "name": model.name,
            "version": str(model.version),
            "engine": model.engine,
            "device": model.device,
            "digest": model.digest,
        }
    )
    metrics.model_load_seconds.set(time.monotonic() - started)
    return reader


def limits(settings: Settings) -> Limits:
    """What a reader may take at once."""
    return Limits(
        max_pixels=settings.max_pixels,
        max_pixels_at_once=settings.max_pixels_at_once,
        max_in_flight=settings.max_in_flight,
        # A body alone always finds room.
        max_bytes_in_flight=max(settings.max_bytes_in_flight, settings.max_upload_bytes),
        picture_side=settings.overlay_max_side,
        refuse_unsuitable=settings.unsuitable == "refuse",
    )
