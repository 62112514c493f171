"""Peers that keep associations open, and the room that others have beside them."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.app.dicom_results import given
from tests.app.pacs import raw
from tests.app.pacs.network import LOCALHOST, send
from tests.app.pacs.node.scp import Node, listening

THIRD_HOST = "127.0.0.3"
REJECTED_FOR_NOW = bytes([0, 2, 3, 2])


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listening(tmp_path, max_associations=4, max_associations_per_peer=3) as node:
        yield node


def _answer(node: Node, host: str = LOCALHOST) -> tuple[int, bytes]:
    with raw.connection(node.port, host) as opened:
        opened.sendall(raw.request())
        return raw.received(opened)


def test_a_peer_has_its_share_and_others_have_theirs(node: Node) -> None:
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(raw.association(node.port, raw.OTHER_HOST))
        assert _answer(node, raw.OTHER_HOST) == (raw.ASSOCIATE_RJ, REJECTED_FOR_NOW)
        assert node.metric("rejected_total", reason="too_many") == 1
        assert node.metric("associations") == 3
        assert send(node.port, given.source_file()) == 0x0000


def test_dcmtk_is_told_that_it_may_come_again(node: Node) -> None:
    if shutil.which("echoscu") is None:
        pytest.skip("echoscu is not installed; Debian's package dcmtk has it")
    command = ["echoscu", "-v", "-aec", "PNEUMOSCOPE", LOCALHOST, str(node.port)]
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(raw.association(node.port))
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert told.returncode
        assert "Rejected Transient" in told.stderr
        assert "Local Limit Exceeded" in told.stderr


def test_where_all_is_taken_who_has_most_gives_up_the_most_silent(node: Node) -> None:
    with ExitStack() as held:
        greedy = [held.enter_context(raw.association(node.port, raw.OTHER_HOST)) for _ in range(3)]
        # It is in the middle of a message.
        command = raw.fragment(raw.COMMAND | raw.LAST, raw.store_command())
        greedy[0].sendall(raw.pdu(raw.P_DATA, command))
        held.enter_context(raw.association(node.port, THIRD_HOST))
        held.enter_context(raw.association(node.port))
        assert raw.is_ended(greedy[1])
        assert node.metric("aborted_total", reason="displaced") == 1
        greedy[0].sendall(raw.pdu(raw.P_DATA, raw.fragment(raw.DATA | raw.LAST, b"\x08\0")))
        assert raw.received(greedy[0])[0] == raw.P_DATA


def test_nobody_is_displaced_for_one_who_has_as_many(node: Node) -> None:
    with ExitStack() as held:
        for host in (raw.OTHER_HOST, THIRD_HOST):
            for _ in range(2):
                held.enter_context(raw.association(node.port, host))
        assert _answer(node, THIRD_HOST)[0] == raw.ASSOCIATE_RJ
        assert _answer(node)[0] == raw.ASSOCIATE_AC


def test_what_has_ended_makes_room(node: Node) -> None:
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(raw.association(node.port))
    node.waits_for("associations", 0)
    assert _answer(node)[0] == raw.ASSOCIATE_AC
