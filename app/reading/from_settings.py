"""The model that the settings name, opened and checked, and a reader of it."""

import logging
import time

from app.errors import ProfileError
from app.inference.load import load
from app.reading.limits import Limits
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.reading.site_profile import SiteProfile
from app.settings import Settings
from model_store.manifest import Manifest
from model_store.signature import check_signature
from model_store.store import ModelVersion, resolve

log = logging.getLogger("pneumoscope")


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
        ProfileError: as `open_profile`.
    """
    started = time.monotonic()
    version = open_model(settings)
    profile = open_profile(settings, version.manifest)
    loaded = load(version, settings.engine, settings.mixed_precision)
    reader = Reader(version.manifest, loaded, metrics, limits(settings), profile)
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


def open_profile(settings: Settings, manifest: Manifest) -> SiteProfile | None:
    """The site profile that counts; None where none is set, or only warned of.

    Args:
        settings: where it is.
        manifest: the model's, for which it must hold.

    Raises:
        ProfileError: it cannot be read, or is of another model and the settings do not say to go
            without it.
    """
    if settings.profile is None:
        return None
    profile = SiteProfile.read(settings.profile)
    if profile.model_digest == manifest.digest:
        return profile
    sentence = (
        f"The site profile {settings.profile} is of {profile.model_name} {profile.model_version} "
        f"with the digest {profile.model_digest}, and not of {manifest.name} {manifest.version} "
        f"with the digest {manifest.digest}"
    )
    if settings.profile_mismatch == "refuse":
        raise ProfileError(f"{sentence}.")
    log.warning("%s: the model's own numbers count.", sentence)
    return None


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
