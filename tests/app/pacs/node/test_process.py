"""The command `pneumoscope dicom-node` as a process of its own: killed, watched, and stopped."""

import asyncio
import hashlib
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import P_DATA

from app.pacs.node.readings import MOST_ATTEMPTS
from app.pacs.results import Results, results_of
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.settings import Settings
from tests import synthetic
from tests.app.dicom_results import given
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.pacs.network import LOCALHOST, Pacs, association, send, wait_until
from tests.app.pacs.node.process import COMMAND, Node

LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from app.cli import cli; cli()"
# As `dicom-node`, but that reading one image ends the process, as a decoder's fault does.
CRASHING = """
import ctypes
from app.pacs.node import readings
original = readings.results_of

async def results_of(reader, data, *selection):
    if b"1.2.66" in data:
        ctypes.string_at(0)
    return await original(reader, data, *selection)

readings.results_of = results_of
from app.cli import cli
cli()
"""
# As `dicom-node`, but that it notes which threads open, move or remove something in the spool,
# and how. In the tests' own process an audit hook would stay for good, and under one in Python a
# thread may fail to start that coverage traces as well, before Python 3.12 (`sys.settrace`).
AUDITED = """
import os, sys, threading
spool, noted = os.environ["PNEUMOSCOPE_NODE_SPOOL"], os.open(os.environ["NOTED"], os.O_WRONLY)

def note(event, arguments):
    if arguments and str(arguments[0]).startswith(spool):
        os.write(noted, f"{threading.current_thread().name}: {event}\\n".encode())

sys.addaudithook(note)
from app.cli import cli
cli()
"""
IMAGES = 10
PLANTED = "Planted"


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs().listening() as pacs:
        yield pacs


@pytest.fixture
def node(tmp_path: Path, model_root: Path, pacs: Pacs) -> Node:
    return Node(tmp_path, model_root, pacs.port)


def _images() -> list[bytes]:
    return [
        dicom(
            synthetic.chest(number, pneumonia=bool(number % 2), size=(224, 224)),
            **given.HEADER | {"SOPInstanceUID": f"1.2.3.4.{number + 1}"},
        )
        for number in range(IMAGES)
    ]


def _is_taken(port: int, image: bytes) -> bool:
    return send(port, image) == 0x0000


def _expected(settings: Settings, images: list[bytes]) -> list[Results]:
    """What this process makes of the images."""

    async def read() -> list[Results]:
        reader = load_reader(settings, Metrics())
        async with reader.running():
            return [await results_of(reader, image) for image in images]

    return asyncio.run(read())


def _once(datasets: list[Dataset]) -> dict[str, Dataset]:
    """The datasets by UID; those of the same UID must be the same."""
    kept: dict[str, Dataset] = {}
    for dataset in datasets:
        assert kept.setdefault(str(dataset.SOPInstanceUID), dataset) == dataset
    return kept


def test_killed_at_any_moment_it_loses_none_and_sends_none_twice(
    node: Node, pacs: Pacs, settings: Settings
) -> None:
    images = _images()
    acknowledged: list[int] = []

    def send_all() -> None:
        for number, image in enumerate(images):
            wait_until(partial(_is_taken, node.port, image), "acknowledged", 300)
            acknowledged.append(number)

    moments = [
        lambda: len(acknowledged) >= 2,
        lambda: len(node.files("results")) > 0,
        lambda: len(pacs.stored) >= 3,
        lambda: len(pacs.stored) >= 8,
    ]
    sender = threading.Thread(target=send_all)
    sender.start()
    for moment in moments:
        with node.running(COMMAND) as process:
            wait_until(moment, "the moment to kill")
            process.send_signal(signal.SIGKILL)
            process.wait()
    with node.running(COMMAND):
        sender.join()
        assert len(acknowledged) == IMAGES
        wait_until(node.is_empty, "all is sent")

    expected = _expected(settings, images)
    overlays = _once(pacs.of_class(SecondaryCaptureImageStorage))
    reports = _once(pacs.of_class(ComprehensiveSRStorage))
    assert overlays == _once([given.parse(result.files["overlay"]) for result in expected])
    assert reports == _once([given.parse(result.files["report"]) for result in expected])
    assert (len(overlays), len(reports)) == (IMAGES, IMAGES)
    # A kill between the PACS's answer and the file's removal costs one object sent again.
    assert len(pacs.stored) <= 2 * IMAGES + len(moments)
    assert node.files("aside") == []


def test_an_image_that_ends_the_process_goes_aside_and_no_other(node: Node, pacs: Pacs) -> None:
    images = [given.source_file(SOPInstanceUID="1.2.66"), *_images()[:3]]
    for folder in (node.spool, node.spool / "received"):
        folder.mkdir()
    for image in images:
        name = hashlib.sha256(image).hexdigest()
        (node.spool / "received" / f"{name}.dcm").write_bytes(image)
    command, starts = [sys.executable, "-c", CRASHING, "dicom-node"], 0
    while not node.is_empty():
        starts += 1
        with (
            node.log.open("ab") as log,
            subprocess.Popen(command, env=node.environment, stdout=log, stderr=log) as process,
        ):
            wait_until(lambda: process.poll() is not None or node.is_empty(), "it ends, or is done")
            process.kill()
    assert starts == MOST_ATTEMPTS + 1
    aside, reason = sorted(node.files("aside"))
    assert aside.read_bytes() == images[0]
    assert reason.read_text() == "The process ended 3 times while it read the image.\n"
    assert len(pacs.of_class(ComprehensiveSRStorage)) == 3
    assert node.files("attempts") == []


def test_nothing_of_a_patient_is_written_where_it_can_be_read(node: Node, pacs: Pacs) -> None:
    attributes = ("PatientName", "PatientID", "StudyDescription", "AccessionNumber", "StudyID")
    planted: dict[str, Any] = dict.fromkeys(attributes, PLANTED)
    planted["PatientBirthDate"] = "19010203"
    wrong = dict.fromkeys(given.WRONG, PLANTED)
    with node.running([sys.executable, "-W", "always", "-c", LOUD, "dicom-node"]) as process:
        for number, elements in enumerate(
            [planted, planted | {"PixelData": b"\0\0"}, planted | {"StudyInstanceUID": None}, wrong]
        ):
            uid = f"1.2.777777.{number}"
            image = given.source_file(**elements | {"SOPInstanceUID": uid})
            assert send(node.port, image) == 0x0000
        with association(node.port, called=PLANTED) as opened:
            assert opened.is_rejected
        _send_what_ends_a_thread(node.port)
        wait_until(lambda: "A thread ended with KeyError" in node.log.read_text(), "it ends")
        wait_until(node.is_empty, "all is read")
        metrics = node.metrics()
        process.terminate()
        process.wait(90)
    assert len(pacs.stored) == 4
    assert PLANTED in {str(dataset.PatientName) for dataset in pacs.datasets}
    names = " ".join(str(path.relative_to(node.spool)) for path in node.spool.rglob("*"))
    reasons = [path.read_text() for path in node.files("aside") if path.suffix == ".txt"]
    assert len(reasons) == 2
    written = "\n".join([node.log.read_text(), metrics, names, *reasons])
    uids = [str(dataset.SOPInstanceUID) for dataset in pacs.datasets]
    for secret in (PLANTED, "19010203", "777777", *uids):
        assert secret not in written


def _send_what_ends_a_thread(port: int) -> None:
    """A message of no known kind, that holds what must not be told."""
    command = Dataset()
    command.CommandField = 0x7777
    command.AffectedSOPInstanceUID = "1.2.777777.8"
    command.ErrorComment = PLANTED
    command.CommandDataSetType = 0x0101
    encoded = encode(command, True, True)
    assert encoded
    message = P_DATA()
    # It wants lists, whatever its types say.
    message.presentation_data_value_list = [[1, b"\x03" + encoded]]  # type: ignore[list-item]
    with association(port) as opened:
        opened.dul.send_pdu(message)
        wait_until(lambda: not opened.is_established, "the association ends")


def test_it_ends_when_asked_and_keeps_what_waits(node: Node, pacs: Pacs) -> None:
    pacs.status = 0xA700
    with node.running(COMMAND) as process:
        assert send(node.port, given.source_file()) == 0x0000
        wait_until(lambda: len(node.files("results")) == 2, "the results wait")
        process.terminate()
        assert process.wait(90) == 0
    assert len(node.files("results")) == 2
    assert "Traceback" not in node.log.read_text()


def test_dcmtk_sends_to_it(node: Node, pacs: Pacs, tmp_path: Path) -> None:
    for program in ("echoscu", "storescu"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; Debian's package dcmtk has it")
    path = tmp_path / "image.dcm"
    path.write_bytes(given.source_file())
    peer = ["-aec", "PNEUMOSCOPE", LOCALHOST, str(node.port)]
    with node.running(COMMAND):
        subprocess.run(["echoscu", *peer], check=True)
        subprocess.run(["storescu", *peer, path], check=True)
        wait_until(lambda: len(pacs.stored) == 2, "the results are sent")
        wrong = ["-aec", "OTHER", *peer[2:]]
        assert subprocess.run(["echoscu", *wrong], capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("name", "value"),
    [("NODE_DESTINATION", "nowhere"), ("NODE_SPOOL", ""), ("NODE_SPOOL", "/dev/null/spool")],
)
def test_a_setting_that_cannot_be_is_one_sentence(node: Node, name: str, value: str) -> None:
    environment = node.environment | {f"PNEUMOSCOPE_{name}": value}
    if not value:
        del environment[f"PNEUMOSCOPE_{name}"]
    ended = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"pneumoscope: PNEUMOSCOPE_{name}: ")
    assert ended.stderr.count("\n") == 1


def test_the_event_loop_touches_no_file_of_the_queue(
    tmp_path: Path, node: Node, pacs: Pacs
) -> None:
    noted = tmp_path / "noted"
    noted.touch()
    node.environment["NOTED"] = str(noted)
    with node.running([sys.executable, "-c", AUDITED, "dicom-node"]):
        at_the_start = len(noted.read_text().splitlines())
        without_lungs = given.source_file(PixelData=bytes(given.PIXELS.size))
        for image in (given.source_file(), without_lungs, given.source_file(PixelData=b"\0\0")):
            assert _is_taken(node.port, image)
        _says(node, "pneumoscope_node_results_sent_total 2.0")
        pacs.status = 0xA900
        assert _is_taken(node.port, given.source_file(SOPInstanceUID="1.2.9"))
        _says(node, 'pneumoscope_node_queue{stage="aside"} 2.0')
        _says(node, 'pneumoscope_node_images_total{outcome="not_a_chest_xray"} 1.0')
    touched = noted.read_text().splitlines()[at_the_start:]
    assert len(touched) > 10
    assert [line for line in touched if line.startswith("MainThread: ")] == []


def _says(node: Node, metric: str) -> None:
    wait_until(lambda: metric in node.metrics(), metric)
