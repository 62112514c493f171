"""Peers that speak the upper layer by hand, and overstep what a PDU, a message may have."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom.transport import RequestHandler

from app.errors import NodeError
from app.pacs.node import pynetdicom_bounds
from tests.app.dicom_results import given
from tests.app.pacs import raw
from tests.app.pacs.network import send
from tests.app.pacs.node.scp import MAX_BYTES, Node, listening

FULL = 16000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listening(tmp_path) as node:
        yield node


def _resident() -> int:
    """This process's memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _send_until_it_ends(node: Node, first: bytes, endless: bytes, most: int) -> int:
    """Send a PDU, and another one again and again; the bytes that went before the end."""
    sent = 0
    with raw.association(node.port) as opened:
        try:
            opened.sendall(first)
            while sent < most:
                opened.sendall(endless)
                sent += len(endless)
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert raw.is_ended(opened)
    return sent


def test_a_command_set_without_end_is_not_kept(node: Node) -> None:
    before = _resident()
    endless = raw.pdu(raw.P_DATA, raw.fragment(raw.COMMAND, bytes(FULL)))
    assert _send_until_it_ends(node, endless, endless, 2**30) < 2**24
    assert _resident() - before < 2**25
    assert node.metric("aborted_total", reason="command_set") == 1


def test_a_command_set_has_few_fragments(node: Node) -> None:
    small = raw.pdu(raw.P_DATA, raw.fragment(raw.COMMAND, b"\0"))
    _send_until_it_ends(node, small, small, 2**20)
    assert node.metric("aborted_total", reason="command_set") == 1


@pytest.mark.parametrize("control", [raw.COMMAND, raw.DATA])
def test_an_empty_fragment_is_the_last(node: Node, control: int) -> None:
    command = raw.fragment(raw.COMMAND | raw.LAST, raw.store_command())
    empty = raw.pdu(raw.P_DATA, raw.fragment(control))
    _send_until_it_ends(node, raw.pdu(raw.P_DATA, command), empty, 2**20)
    assert node.metric("aborted_total", reason="fragments") == 1


@pytest.mark.parametrize(
    "body",
    [
        raw.fragment(raw.DATA, b"\0\0") * 1000,
        b"\0\0\0\1\1",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff\1\0",
        b"\0",
    ],
    ids=["many", "no header", "no context", "longer than the PDU", "cut off"],
)
def test_fragments_are_few_and_whole(node: Node, body: bytes) -> None:
    with raw.association(node.port) as opened:
        opened.sendall(raw.pdu(raw.P_DATA, body))
        assert raw.is_ended(opened)
    assert node.metric("aborted_total", reason="fragments") == 1


def test_the_last_fragment_may_be_empty(node: Node) -> None:
    with raw.association(node.port) as opened:
        for fragment in (
            raw.fragment(raw.COMMAND, raw.store_command()),
            raw.fragment(raw.COMMAND | raw.LAST),
            raw.fragment(raw.DATA, b"\x08\0"),
            raw.fragment(raw.DATA | raw.LAST),
        ):
            opened.sendall(raw.pdu(raw.P_DATA, fragment))
        assert raw.received(opened)[0] == raw.P_DATA
    assert node.counted("broken") == 1


def test_a_pdu_of_gigabytes_ends_the_association(node: Node) -> None:
    with raw.association(node.port) as opened:
        opened.sendall(raw.pdu(raw.P_DATA, b"")[:2] + b"\xff\xff\xff\xff")
        assert raw.is_ended(opened)
    assert node.metric("aborted_total", reason="long_pdu") == 1


def test_a_data_set_without_end_is_not_kept_and_has_its_time(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pynetdicom_bounds, "MESSAGE_SECONDS", 2.0)
    before, started = _resident(), time.monotonic()
    command = raw.pdu(raw.P_DATA, raw.fragment(raw.COMMAND | raw.LAST, raw.store_command()))
    endless = raw.pdu(raw.P_DATA, raw.fragment(raw.DATA, bytes(FULL)))
    _send_until_it_ends(node, command, endless, 2**40)
    assert 2 <= time.monotonic() - started < 30
    assert _resident() - before < 8 * MAX_BYTES + 2**25
    assert node.metric("aborted_total", reason="slow") == 1


def test_a_pdu_in_drops_has_its_time(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynetdicom_bounds, "PDU_SECONDS", 1.0)
    with raw.association(node.port) as opened:
        opened.sendall(raw.pdu(raw.P_DATA, bytes(FULL))[:7])
        ended = threading.Event()

        def drip() -> None:
            while not ended.wait(0.1):
                try:
                    opened.sendall(b"\0")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert raw.is_ended(opened)
        finally:
            ended.set()
            dripping.join()
    assert node.metric("aborted_total", reason="slow") == 1


def test_requests_sent_ahead_of_their_answers_are_cut_off(node: Node) -> None:
    request = raw.pdu(
        raw.P_DATA, raw.fragment(raw.COMMAND | raw.LAST, raw.store_command())
    ) + raw.pdu(raw.P_DATA, raw.fragment(raw.DATA | raw.LAST, bytes(1000)))
    with raw.association(node.port) as opened:
        try:
            for _ in range(400):
                opened.sendall(50 * request)
        except (ConnectionResetError, BrokenPipeError):
            pass
    node.waits_for("aborted_total", 1, reason="ahead")


def test_others_are_served_after_all_of_this(node: Node) -> None:
    for body in (b"\0", raw.fragment(raw.COMMAND, bytes(FULL))):
        with raw.association(node.port) as opened:
            opened.sendall(raw.pdu(raw.P_DATA, body))
            assert raw.is_ended(opened)
    assert send(node.port, given.source_file()) == 0x0000
    node.waits_for("associations", 0)


def test_another_pynetdicom_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pynetdicom_bounds.check()
    monkeypatch.delattr(RequestHandler, "_create_association")
    with pytest.raises(NodeError, match=r"^pynetdicom .* constraints\.txt"):
        pynetdicom_bounds.check()
