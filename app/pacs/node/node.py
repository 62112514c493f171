"""The DICOM node: images come in by C-STORE, are read, and their results go to the PACS."""

import asyncio
import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from app.audit.record import Record
from app.dicom_results.kinds import KINDS
from app.errors import NodeError, ServeError
from app.pacs import stopping, tls
from app.pacs.destinations import Destination
from app.pacs.mllp import MllpDestination
from app.pacs.node.answered import Answered
from app.pacs.node.deliveries import Deliveries
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.readings import Readings, suffix_of
from app.pacs.node.settings import NodeSettings
from app.pacs.node.spool import Room, Spool
from app.pacs.node.storage_scp import StorageScp
from app.pacs.results import Selection
from app.pacs.rules import FHIR, HL7, WEBHOOK, Rules
from app.pacs.storage_scu import StorageDestination
from app.reading import changes
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings

log = logging.getLogger("pneumoscope")


async def run(
    settings: NodeSettings,
    model_settings: Settings,
    reader: Reader,
    metrics: Metrics,
    stop: asyncio.Event,
) -> None:
    """Receive, read and send until it is time to stop; SIGHUP changes the model.

    Images are taken from the first moment, and wait on the disk for the engine's warm-up.

    Args:
        settings: the node's.
        model_settings: which model reads, and how large an image's data set may be.
        reader: the model.
        metrics: the reader's, beside which the node's are served.
        stop: set when it is time.

    Raises:
        NodeError: another process holds the spool, or an address cannot be listened on.
        CertificateError: TLS cannot be spoken.
        RulesError: the rules of what is read cannot be used.
    """
    rules = Rules.load(settings.rules)
    destinations = _destinations(settings)
    with ExitStack() as resources:
        spool = _spool(settings)
        resources.callback(spool.close)
        counted = NodeMetrics(metrics.registry, spool)
        with _blaming("METRICS_PORT"):
            resources.enter_context(_serving(settings, metrics.registry))
        listening = resources.enter_context(ExitStack())
        with _blaming("PORT"):
            scp = StorageScp(settings, model_settings.max_upload_bytes, spool, counted)
            listening.enter_context(scp.listening())
        log.info("%s listens on %s:%d", settings.ae_title, settings.host, settings.port)
        answered = Answered(settings.spool / "answered.sqlite")
        record = _record(settings)
        if record:
            resources.callback(record.close)
        selection = Selection(rules, _kinds(settings), record)
        readings = Readings(reader, spool, counted, answered, settings.corrected, selection)
        deliveries = Deliveries(destinations, spool, counted)
        changing = changes.on_hangup(model_settings, reader, metrics)
        async with reader.running(), changing, asyncio.TaskGroup() as parts:
            parts.create_task(readings.run(stop))
            parts.create_task(deliveries.run(stop))
            await stop.wait()
            await asyncio.to_thread(listening.close)


async def run_until_told(
    settings: NodeSettings, model_settings: Settings, reader: Reader, metrics: Metrics
) -> None:
    """Run until SIGTERM or SIGINT; the arguments are those of `run`.

    Raises:
        NodeError, CertificateError, RulesError: as `run` does.
    """
    # Malformed messages end pynetdicom's threads with errors that quote them.
    threading.excepthook = _log_type
    await run(settings, model_settings, reader, metrics, stopping.on_signal())


def _log_type(failed: threading.ExceptHookArgs) -> None:
    log.error("A thread ended with %s", failed.exc_type.__name__)


def _spool(settings: NodeSettings) -> Spool:
    try:
        room = Room(settings.max_queued, settings.max_aside, settings.min_free_bytes)
        return Spool(settings.spool, room)
    except BlockingIOError as error:
        raise NodeError("PNEUMOSCOPE_NODE_SPOOL: another process holds the folder.") from error
    except OSError as error:
        raise NodeError(f"PNEUMOSCOPE_NODE_SPOOL: {error.strerror}.") from error


def _record(settings: NodeSettings) -> Record | None:
    if settings.audit is None:
        return None
    try:
        return Record(settings.audit, setting="PNEUMOSCOPE_NODE_AUDIT")
    except ServeError as error:
        raise NodeError(str(error)) from None


def _kinds(settings: NodeSettings) -> Collection[str]:
    """The results that images get where no rule says which."""
    others = {FHIR: settings.fhir, HL7: settings.hl7, WEBHOOK: settings.webhook}
    return (*settings.results, *(kind for kind, destination in others.items() if destination))


def _destinations(settings: NodeSettings) -> dict[str, Destination]:
    """Where result files go, by what their names end with."""
    destinations = dict.fromkeys(map(suffix_of, KINDS), _pacs(settings))
    if settings.fhir:
        from app.pacs.web.fhir import FhirDestination

        destinations[suffix_of(FHIR)] = FhirDestination(settings.fhir)
    if settings.hl7:
        destinations[suffix_of(HL7)] = MllpDestination(*settings.hl7)
    if settings.webhook:
        from app.pacs.web.webhook import WebhookDestination

        try:
            destinations[suffix_of(WEBHOOK)] = WebhookDestination(settings.webhook)
        except ValueError as error:
            raise NodeError(str(error)) from None
    return destinations


def _pacs(settings: NodeSettings) -> Destination:
    requesting = tls.requesting(settings)
    if isinstance(settings.destination, str):
        from app.pacs.web.dicomweb import StowDestination

        return StowDestination(settings.destination)
    return StorageDestination(settings.ae_title, settings.destination, requesting)


@contextmanager
def _serving(settings: NodeSettings, registry: CollectorRegistry) -> Iterator[None]:
    """Serve the metrics over HTTP while the block runs."""
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Name the setting with which the block fails."""
    try:
        yield
    except OSError as error:
        raise NodeError(f"PNEUMOSCOPE_NODE_{name}: {error.strerror}.") from error
