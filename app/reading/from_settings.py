"""The models that the settings name, opened and checked, and a reader of the one that answers."""

import logging
import time

from app.errors import ProfileError
from app.inference.load import load
from app.reading.limits import Limits
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.reading.served import Served
from app.reading.site_profile import SiteProfile
from app.settings import Settings
from model_store.manifest import Manifest
from model_store.signature import check_signature
from model_store.store import ModelVersion, resolve, versions

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
    """Load the model, and make a reader of it.

    Raises:
        ModelError: as `open_model`, or it breaks the contract.
        ProfileError: as `open_profile`.
    """
    version = open_model(settings)
    profile = open_profile(settings, version.manifest)
    return Reader(load_model(settings, version, profile, metrics), metrics, limits(settings))


def load_model(
    settings: Settings, version: ModelVersion, profile: SiteProfile | None, metrics: Metrics
) -> Served:
    """Load what `open_model` and `open_profile` gave.

    Raises:
        ModelError: it cannot be loaded, or breaks the contract.
    """
    started = time.monotonic()
    engine = load(version, settings.engine, settings.mixed_precision)
    seconds = time.monotonic() - started
    return Served(version.manifest, engine, profile, metrics.batch_size.observe, seconds)


def open_shadow(settings: Settings) -> ModelVersion | None:
    """The version that is tried in the background, as `open_model` opens one, if any is wanted.

    Raises:
        ModelError: as `open_model`.
    """
    version = settings.shadow
    if version == "newest":
        version = max(versions(settings.model_store, settings.model_name), default=None)
    if version is None:
        return None
    return open_model(settings.model_copy(update={"model_version": version}))


def load_shadow(settings: Settings, version: ModelVersion) -> Served:
    """Load what `open_shadow` gave; the site profile is of the model that answers.

    Raises:
        ModelError: it cannot be loaded, or breaks the contract.
    """
    engine = load(version, settings.engine, settings.mixed_precision, True)
    return Served(version.manifest, engine)


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
