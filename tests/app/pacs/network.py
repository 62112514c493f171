"""Both sides of the node on real sockets: who sends images, and the PACS that gets results."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context

from app.imaging.dicom.read import SOP_CLASSES
from benchmarks.ports import free_port

LOCALHOST = "127.0.0.1"
PACS = "PACS"


def wait_until(done: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait for something, or fail."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.02)


class Pacs:
    """A Storage SCP that keeps the encoded data sets that it gets, and answers as it is told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status = 0x0000
        self.sop_classes = [
            SecondaryCaptureImageStorage,
            ComprehensiveSRStorage,
            SegmentationStorage,
        ]
        self.stored: list[bytes] = []

    @property
    def datasets(self) -> list[Dataset]:
        return [dcmread(BytesIO(data)) for data in self.stored]

    def of_class(self, sop_class: str) -> list[Dataset]:
        return [dataset for dataset in self.datasets if dataset.SOPClassUID == sop_class]

    @contextmanager
    def listening(self, syntax: str | None = None) -> Iterator["Pacs"]:
        """Store while the block runs; of one transfer syntax, or of all uncompressed ones."""
        entity = AE(PACS)
        contexts = [build_context(sop_class, syntax) for sop_class in self.sop_classes]
        server = entity.start_server(
            (LOCALHOST, self.port),
            block=False,
            contexts=contexts,
            evt_handlers=[(evt.EVT_C_STORE, self._store)],
        )
        assert server
        try:
            yield self
        finally:
            server.shutdown()

    def _store(self, event: Event) -> int:
        if self.status >> 12 in (0, 0xB):
            self.stored.append(event.encoded_dataset())
        return self.status


@contextmanager
def association(
    port: int, called: str = "PNEUMOSCOPE", calling: str = "SENDER"
) -> Iterator[Association]:
    """An association with the node, for images as they are in the tests' files."""
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    entity.add_requested_context("1.2.840.10008.1.1")
    for sop_class in SOP_CLASSES:
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    opened = entity.associate(LOCALHOST, port, ae_title=called)
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()


def send(port: int, data: bytes, calling: str = "SENDER") -> int | None:
    """C-STORE a file; its status, or None where there was no answer."""
    with association(port, calling=calling) as opened:
        if not opened.is_established:
            return None
        try:
            status: int | None = opened.send_c_store(dcmread(BytesIO(data))).get("Status")
        except RuntimeError:
            return None
        return status
