"""Images received by C-STORE (PS3.4, annex B), and C-ECHO answered (PS3.4, annex A)."""

import socket
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple, cast

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode_file_meta
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from app.dicom_results.instance import is_own
from app.errors import SpoolFullError
from app.host import process
from app.imaging.dicom.codecs import TRANSFER_SYNTAXES
from app.imaging.dicom.file import MeteredFile
from app.imaging.dicom.read import SOP_CLASSES
from app.imaging.errors import SHORTAGES
from app.imaging.formats import DICOM_MARK, DICOM_PREAMBLE
from app.pacs import network, tls
from app.pacs.node import pynetdicom_bounds
from app.pacs.node.associations import Associations
from app.pacs.node.lobby import Lobby
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.peers import Peers
from app.pacs.node.seldom import Seldom
from app.pacs.node.settings import NodeSettings, is_ae_title
from app.pacs.node.spool import Spool

_IDLE_SECONDS = 60
# For answers that pynetdicom waits for while it opens or ends an association.
_ACSE_SECONDS = 5
# Of a deflated dataset, up to the last element that is read here.
_MOST_HEADER = 2**20
# In bytes, of the elements that are read here.
_LONGEST = 4096
_LAST_READ = Tag("Manufacturer")
_READ = (Tag("SOPClassUID"), Tag("SOPInstanceUID"), _LAST_READ)

# PS3.8, 9.3.4: rejected for good by the service user.
_REJECTED, _BY_USER = 1, 1
_CALLING_NOT_RECOGNISED, _CALLED_NOT_RECOGNISED = 3, 7


class _Answer(NamedTuple):
    """A status of PS3.4, B.2.3, how the metrics call it, and the Error Comment."""

    status: int
    outcome: str
    comment: str = ""


_OUT_OF_RESOURCES = 0xA700
_QUEUED = _Answer(0x0000, "queued")
_OWN = _Answer(0x0000, "own_result")
_LATER = "send the image again later."
_FULL = {
    code: _Answer(_OUT_OF_RESOURCES, code, f"{what}; {_LATER}")
    for code, what in {
        "queue_full": "The queue is full",
        "aside_full": "Too many images are aside",
        "disk_full": "The disk is nearly full",
    }.items()
}
_NOT_WRITTEN = _Answer(_OUT_OF_RESOURCES, "not_written", "The image could not be written to disk.")
_NO_MEMORY = _Answer(_OUT_OF_RESOURCES, "no_memory", f"The node is short of memory; {_LATER}")
_MISMATCH = _Answer(0xA900, "mismatch", "The UIDs of the data set are not those of the request.")
_TOO_LARGE = _Answer(0xC000, "too_large", "The data set is larger than is read.")
_BROKEN = _Answer(0xC000, "broken", "The data set cannot be read.")


class StorageScp:
    """The node's side of associations that others open."""

    def __init__(
        self, settings: NodeSettings, max_bytes: int, spool: Spool, metrics: NodeMetrics
    ) -> None:
        """Prepare to listen.

        Args:
            settings: where, and to whom.
            max_bytes: as large as a data set may be; no more of it is kept in memory.
            spool: where images go.
            metrics: where they are counted.

        Raises:
            CertificateError: TLS cannot be spoken.
        """
        network.make_no_text()
        process.accept_invalid_values()
        self._settings, self._max_bytes = settings, max_bytes
        self._spool, self._metrics = spool, metrics
        self._peers = Peers(settings.peers)
        self._tls = tls.accepting(settings)
        self._seldom = Seldom()
        self._called = {settings.ae_title, *settings.called_ae_titles}
        self._entity = entity = AE(settings.ae_title)
        entity.network_timeout = entity.dimse_timeout = _IDLE_SECONDS
        entity.acse_timeout = _ACSE_SECONDS
        # They have their bound before they begin.
        entity.maximum_associations = sys.maxsize
        entity.add_supported_context(Verification)
        for sop_class in SOP_CLASSES:
            entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer while the block runs.

        Raises:
            OSError: the address cannot be listened on.
            NodeError: connections would have no bound.
        """
        pynetdicom_bounds.check()
        settings = self._settings
        server = self._entity.make_server(
            (settings.host, settings.port),
            evt_handlers=[(evt.EVT_REQUESTED, self._admit), (evt.EVT_C_STORE, self._store)],
        )
        listening = cast("socket.socket", server.socket)
        associations = Associations(server, settings, self._max_bytes, self._metrics)
        lobby = Lobby(
            listening, self._peers.may_connect, associations.begin, self._metrics, self._tls
        )
        try:
            with self._peers.looked_up(), lobby.open():
                yield
        finally:
            associations.end()
            self._entity.shutdown()
            server.server_close()

    def _admit(self, event: Event) -> None:
        """Reject an association that calls for another AE, or that nobody known requests."""
        request = cast("A_ASSOCIATE", event.assoc.requestor.primitive)
        called, calling = request.called_ae_title.strip(), request.calling_ae_title.strip()
        address = event.assoc.requestor.address
        if called not in self._called:
            self._reject(event, _CALLED_NOT_RECOGNISED, "called_ae_title")
        elif not self._peers.may_send(calling, address):
            self._reject(event, _CALLING_NOT_RECOGNISED, "peer")

    def _reject(self, event: Event, diagnostic: int, reason: str) -> None:
        self._metrics.rejected.labels(reason).inc()
        event.assoc.acse.send_reject(_REJECTED, _BY_USER, diagnostic)
        event.assoc.kill()

    def _store(self, event: Event) -> Dataset:
        answer = self._answer(event)
        self._metrics.received.labels(answer.outcome).inc()
        if answer.status == _OUT_OF_RESOURCES:
            self._seldom.warn(f"Refusing images: {answer.outcome}.")
        status = Dataset()
        status.Status = answer.status
        if answer.comment:
            status.ErrorComment = answer.comment
        return status

    def _answer(self, event: Event) -> _Answer:
        refused = _check(event, self._max_bytes)
        if refused:
            return refused
        data = _data_set(event).getbuffer()
        meta = event.file_meta
        # Whoever sends it, it is the same image.
        unsigned: list[bytes | memoryview] = [_encoded(meta), data]
        meta.SourceApplicationEntityTitle = _calling(event)
        try:
            self._spool.put([_encoded(meta), data], unsigned)
        except SpoolFullError as full:
            return _FULL[full.code]
        except OSError:
            return _NOT_WRITTEN
        return _QUEUED


def _check(event: Event, max_bytes: int) -> _Answer | None:
    """The answer to what is not to be queued."""
    if len(_data_set(event).getbuffer()) > max_bytes:
        return _TOO_LARGE
    try:
        header = _header(event)
        uids = (header.SOPClassUID, header.SOPInstanceUID)
    except SHORTAGES:
        return _NO_MEMORY
    # pydicom answers malformed bytes with errors of many types.
    except Exception:
        return _BROKEN
    if uids != (event.context.abstract_syntax, _request(event).AffectedSOPInstanceUID):
        return _MISMATCH
    return _OWN if is_own(header) else None


def _encoded(meta: FileMetaDataset) -> bytes:
    """What precedes the data set in a file (PS3.10, 7.1)."""
    return bytes(DICOM_PREAMBLE) + DICOM_MARK + encode_file_meta(meta)


def _calling(event: Event) -> str:
    """The AE title of the sender; empty where it is none that a file can carry."""
    title = event.assoc.requestor.ae_title.strip()
    return title if is_ae_title(title) else ""


def _header(event: Event) -> Dataset:
    """The elements up to Manufacturer that are read here."""
    syntax = UID(event.context.transfer_syntax)
    data = _data_set(event).getvalue()
    if syntax == DeflatedExplicitVRLittleEndian:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _MOST_HEADER)
    return read_dataset(
        MeteredFile(data),
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        stop_when=_after_the_last,
        specific_tags=list(_READ),
    )


def _request(event: Event) -> C_STORE:
    return cast("C_STORE", event.request)


def _data_set(event: Event) -> BytesIO:
    """The data set as it was encoded."""
    return cast("BytesIO", _request(event).DataSet)


def _after_the_last(tag: BaseTag, vr: str | None, length: int) -> bool:
    # Each value of a long list would become an object.
    if tag in _READ and length > _LONGEST:
        raise ValueError("an element is too long")
    return int(tag) > int(_LAST_READ)
