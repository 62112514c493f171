import hashlib
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import (
    MPEG2MPML,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from app.dicom_results.instance import PRODUCT
from app.imaging.dicom.codecs import TRANSFER_SYNTAXES
from app.imaging.dicom.read import SOP_CLASSES
from app.pacs.node.settings import Peer
from app.pacs.node.spool import Room
from tests.app.dicom_results import given
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.pacs.network import LOCALHOST, association, send
from tests.app.pacs.node.scp import MAX_BYTES, ROOM, Node, listening


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listening(tmp_path) as node:
        yield node


def _send_raw(port: int, body: bytes, uid: str = given.IMAGE) -> Any:
    """C-STORE an encoded data set, right or wrong; the answer."""
    entity = AE("SENDER")
    entity.add_requested_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)
    opened = entity.associate(LOCALHOST, port, ae_title="PNEUMOSCOPE")
    assert opened.is_established
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID = DigitalXRayImageStorageForPresentation
    request.AffectedSOPInstanceUID = uid
    request.DataSet = BytesIO(body)
    context = opened.accepted_contexts[0].context_id
    assert context
    opened._reactor_checkpoint.clear()
    opened.dimse.send_msg(request, context)
    _, answer = opened.dimse.get_msg(block=True)
    opened._reactor_checkpoint.set()
    opened.release()
    return answer


def test_an_echo_is_answered(node: Node) -> None:
    with association(node.port) as opened:
        assert opened.send_c_echo().Status == 0x0000


def test_an_acknowledged_image_is_on_the_disk(node: Node) -> None:
    sent = given.source_file()
    assert send(node.port, sent) == 0x0000
    (name,) = node.spool.waiting("received")
    stored = dcmread(BytesIO(node.spool.read(name)))
    assert stored == dcmread(BytesIO(sent))
    assert stored.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert stored.file_meta.SourceApplicationEntityTitle == "SENDER"
    assert node.counted("queued") == 1


def test_the_data_set_stays_as_it_was_encoded(node: Node) -> None:
    body = given.source_file()
    body = body[body.index(b"\x08\x00\x05\x00CS") :]
    assert _send_raw(node.port, body).Status == 0x0000
    (name,) = node.spool.waiting("received")
    assert node.spool.read(name).endswith(body)


def test_the_same_image_twice_is_one_entry(node: Node) -> None:
    for sender in ("SENDER", "OTHER"):
        assert send(node.port, given.source_file(), sender) == 0x0000
    assert node.spool.depth("received") == 1


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGBaseline8Bit, JPEGLSNearLossless, DeflatedExplicitVRLittleEndian]
)
def test_compressed_images_are_taken_as_they_are(node: Node, syntax: Any) -> None:
    data = dicom(given.PIXELS, syntax=syntax, **given.HEADER)
    entity = AE("SENDER")
    entity.add_requested_context(DigitalXRayImageStorageForPresentation, syntax)
    opened = entity.associate(LOCALHOST, node.port, ae_title="PNEUMOSCOPE")
    assert opened.send_c_store(dcmread(BytesIO(data))).Status == 0x0000
    opened.release()
    (name,) = node.spool.waiting("received")
    stored = dcmread(BytesIO(node.spool.read(name)))
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert stored.PixelData == dcmread(BytesIO(data)).PixelData


def test_it_takes_what_is_read_and_nothing_else(node: Node) -> None:
    entity = AE("SENDER")
    for sop_class in SOP_CLASSES:
        entity.add_requested_context(sop_class)
    for syntax in TRANSFER_SYNTAXES:
        entity.add_requested_context(DigitalXRayImageStorageForPresentation, syntax)
    entity.add_requested_context(CTImageStorage)
    entity.add_requested_context(ComputedRadiographyImageStorage, MPEG2MPML)
    opened = entity.associate(LOCALHOST, node.port, ae_title="PNEUMOSCOPE")
    rejected = {context.abstract_syntax for context in opened.rejected_contexts}
    assert rejected == {CTImageStorage, ComputedRadiographyImageStorage}
    assert len(opened.rejected_contexts) == 2
    opened.release()


def test_results_of_its_own_are_acknowledged_and_dropped(node: Node) -> None:
    assert send(node.port, given.source_file(Manufacturer=PRODUCT)) == 0x0000
    assert node.spool.depth("received") == 0
    assert node.counted("own_result") == 1


@pytest.mark.parametrize(
    ("room", "outcome"),
    [
        (ROOM._replace(entries=1), "queue_full"),
        (ROOM._replace(aside=1), "aside_full"),
        (ROOM._replace(free_bytes=2**60), "disk_full"),
    ],
)
def test_without_room_images_are_refused_for_now(
    tmp_path: Path, room: Room, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(tmp_path, room=room) as node:
        node.spool.set_aside("received", _put(node, b"1"), "It is broken.")
        if outcome == "queue_full":
            _put(node, b"2")
        before = node.spool.depth("received")
        for _ in range(2):
            assert send(node.port, given.source_file()) == 0xA700
        assert node.counted(outcome) == 2
        assert node.spool.depth("received") == before
        assert node.spool.depth("aside") == 1
    assert caplog.messages == [f"Refusing images: {outcome}."]


def _put(node: Node, data: bytes) -> str:
    """An image that waits, whether there is room or not."""
    name = hashlib.sha256(data).hexdigest()
    (node.folder / "received" / f"{name}.dcm").write_bytes(data)
    return name


def test_a_disk_that_refuses_is_out_of_resources(node: Node) -> None:
    (node.folder / "partial").rmdir()
    assert send(node.port, given.source_file()) == 0xA700
    assert node.counted("not_written") == 1


@pytest.mark.parametrize("body", [b"\x08", b"garbage" * 100, b"\x08\x00\x16\x00SQ\0\0" * 2000])
def test_garbage_cannot_be_understood(node: Node, body: bytes) -> None:
    answer = _send_raw(node.port, body)
    assert answer.Status >> 12 == 0xC
    assert len(answer.ErrorComment) <= 64
    assert node.spool.depth("received") == 0


EMPTY_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
BOMBS = {
    "elements": b"\x08\x00\x01\x00UN\0\0\0\0\0\0" * 80_000,
    "items": b"\x08\x00\x06\x00SQ\0\0\xff\xff\xff\xff" + EMPTY_ITEM * 120_000,
    "UIDs": b"\x08\x00\x18\x00UT\0\0\x00\x00\x0f\0" + b"\\" * 0xF0000,
    "character sets": b"\x08\x00\x05\x00UT\0\0\x00\x00\x0f\0" + b"\\" * 0xF0000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_header_of_many_elements_is_not_read(node: Node, bomb: bytes) -> None:
    started = time.monotonic()
    assert _send_raw(node.port, bomb).Status == 0xC000
    # They took up to twenty times as long.
    assert time.monotonic() - started < 10
    assert node.counted("broken") == 1


def test_a_shortage_of_memory_is_out_of_resources(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("app.pacs.node.storage_scp.read_dataset", fail)
    assert send(node.port, given.source_file()) == 0xA700
    assert node.counted("no_memory") == 1


def test_other_uids_than_those_of_the_request_do_not_match(node: Node) -> None:
    body = given.source_file()
    body = body[body.index(b"\x08\x00\x05\x00CS") :]
    assert _send_raw(node.port, body, uid="1.2.9").Status == 0xA900
    assert node.counted("mismatch") == 1


def test_too_large_a_data_set_is_refused_and_the_association_goes_on(node: Node) -> None:
    large = given.source_file(PixelData=bytes(3 * MAX_BYTES))
    with association(node.port) as opened:
        for data, status in ((large, 0xC000), (given.source_file(), 0x0000)):
            answer = opened.send_c_store(dcmread(BytesIO(data)))
            assert answer.Status == status
    assert node.spool.depth("received") == 1
    assert node.counted("too_large") == 1


@pytest.mark.parametrize(
    ("called", "accepted"),
    [("PNEUMOSCOPE", True), ("SECOND", True), ("OTHER", False), ("pneumoscope", False)],
)
def test_it_answers_to_its_own_titles(tmp_path: Path, called: str, accepted: bool) -> None:
    with (
        listening(tmp_path, called_ae_titles=("SECOND",)) as node,
        association(node.port, called=called) as opened,
    ):
        assert (opened.is_established, opened.is_rejected) == (accepted, not accepted)


@pytest.mark.parametrize(
    ("calling", "accepted"),
    [
        ("ANYWHERE", True),
        ("HERE", True),
        ("BYNAME", True),
        ("THERE", False),
        ("NOWHERE", False),
        ("OTHER", False),
    ],
)
def test_it_takes_images_from_its_peers(tmp_path: Path, calling: str, accepted: bool) -> None:
    peers = (
        Peer("ANYWHERE", None),
        Peer("HERE", LOCALHOST),
        Peer("BYNAME", "localhost"),
        Peer("THERE", "192.0.2.1"),
        Peer("NOWHERE", "host.invalid"),
    )
    with listening(tmp_path, peers=peers) as node:
        with association(node.port, calling=calling) as opened:
            assert (opened.is_established, opened.is_rejected) == (accepted, not accepted)
        assert node.metric("rejected_total", reason="peer") == (not accepted)
