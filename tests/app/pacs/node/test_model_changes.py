"""A node that reads while versions of its model come and go."""

import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from app.dicom_results.kinds import OVERLAY, REPORT
from app.dicom_results.structured_report import report_uid
from app.reading.model import Model
from model_store.manifest import FILE_NAME, Scaling
from model_store.store import read_manifest, use
from tests import synthetic
from tests.app.at_work import at_work
from tests.app.dicom_results import given
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.pacs import dcmtk
from tests.app.pacs.network import Pacs, send, wait_until
from tests.app.pacs.node.process import COMMAND, Node
from tests.app.reading.versions import release

# A machine may have much else to do, and loads models last.
SECONDS = 300
PIXELS = synthetic.chest(7, pneumonia=True, size=(224, 224))
KINDS = {OVERLAY: SecondaryCaptureImageStorage, REPORT: ComprehensiveSRStorage}
# What a report says of pneumonia, by the version that reads PIXELS.
ANSWERS = {1: "Present", 2: "Absent"}
LABELS = {1: "PNEUMONIA", 2: "NORMAL"}
CHANGES = "pneumoscope_model_changes_total"


@pytest.fixture
def store(model_root: Path, tmp_path: Path) -> Path:
    """Versions 1 and 2, of which the older one is in use."""
    root = tmp_path / "store"
    shutil.copytree(model_root, root)
    release(root, 2, threshold=0.9999)
    use(root, "pneumonia", 1)
    return root


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs().listening() as pacs:
        yield pacs


@pytest.fixture
def node(tmp_path: Path, store: Path, pacs: Pacs) -> Node:
    return Node(tmp_path, store, pacs.port, NODE_AUDIT=tmp_path / "audit")


def image(uid: str) -> bytes:
    return dicom(PIXELS, **given.HEADER | {"SOPInstanceUID": uid})


def changes(node: Node, result: str) -> str:
    """The sample of how often the model was changed so, or not."""
    name = f'{CHANGES}{{result="{result}",role="serving"}} '
    [line] = [line for line in node.metrics().splitlines() if line.startswith(name)]
    return line


def hang_up(node: Node, process: "subprocess.Popen[bytes]", result: str) -> None:
    """Hang up, and wait for that result."""
    before = changes(node, result)
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: changes(node, result) != before, f"a model is {result}", SECONDS)


class Modalities:
    """Two that send images all the time: one of pynetdicom and one of DCMTK."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port, self._folder = port, folder
        self._stop = threading.Event()
        self.acknowledged: list[str] = []

    def _send(self, root: str, store: Callable[[str], bool]) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            uid = f"{root}.{number}"
            # Where a machine has no time for the node, a connection may be too slow for it.
            wait_until(partial(store, uid), "acknowledged", SECONDS)
            self.acknowledged.append(uid)
            # Without it a model that is loaded at the lowest priority would have no time.
            time.sleep(0.2)

    def _by_pynetdicom(self, uid: str) -> bool:
        return send(self._port, image(uid)) == 0x0000

    def _by_dcmtk(self, uid: str) -> bool:
        file = self._folder / "image.dcm"
        file.write_bytes(image(uid))
        return dcmtk.store(self._port, file)

    def wait_for_more(self, images: int) -> None:
        """Wait until so many more images were acknowledged."""
        enough = len(self.acknowledged) + images
        wait_until(lambda: len(self.acknowledged) >= enough, "more images", SECONDS)

    def sending(self) -> AbstractContextManager[None]:
        return at_work(
            self._stop,
            partial(self._send, "1.2.3.5", self._by_pynetdicom),
            partial(self._send, "1.2.3.6", self._by_dcmtk),
        )


def of_image(result: Dataset) -> str:
    """The UID of the image that a result is of."""
    if result.SOPClassUID == SecondaryCaptureImageStorage:
        return str(result.SourceImageSequence[0].ReferencedSOPInstanceUID)
    [study] = result.CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    return str(series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def of_version(result: Dataset) -> int:
    """The version of the model that a result names."""
    return int(str(result.ManufacturerModelName).rpartition(" ")[2])


def test_versions_come_and_go_without_one_lost_image(
    node: Node, store: Path, pacs: Pacs, tmp_path: Path
) -> None:
    dcmtk.require()
    broken = release(store, 3, threshold=0.5)
    (broken / "saved_model.pb").write_bytes(b"another")
    modalities = Modalities(node.port, tmp_path)
    with node.running(COMMAND) as process:
        wait_until(lambda: "pneumoscope_ready 1.0" in node.metrics(), "the node is ready", SECONDS)
        with modalities.sending():
            for version, result in ((2, "changed"), (1, "changed"), (3, "refused")):
                use(store, "pneumonia", version)
                hang_up(node, process, result)
                modalities.wait_for_more(4)
        wait_until(node.is_empty, "all is sent", SECONDS)
        metrics = node.metrics()
        process.terminate()
        assert process.wait(90) == 0

    assert "THE SERVING MODEL WAS REFUSED. The model file" in node.log.read_text()
    assert 'pneumoscope_model_info{device="' in metrics
    assert 'version="1"} 1.0' in metrics
    assert not node.files("aside")

    models = {
        version: Model(read_manifest(store / "pneumonia" / str(version) / FILE_NAME), "", "")
        for version in ANSWERS
    }
    found = {
        kind: {of_image(result): result for result in pacs.of_class(sop_class)}
        for kind, sop_class in KINDS.items()
    }
    assert all(of_kind.keys() == {*modalities.acknowledged} for of_kind in found.values())
    versions = set()
    for uid in modalities.acknowledged:
        overlay, report = (found[kind][uid] for kind in (OVERLAY, REPORT))
        version = of_version(report)
        versions.add(version)
        assert of_version(overlay) == version
        assert report.SOPInstanceUID == report_uid(given.parse(image(uid)), models[version])
        meanings = {
            element.value for element in report.iterall() if element.keyword == "CodeMeaning"
        }
        assert meanings & {*ANSWERS.values()} == {ANSWERS[version]}
    assert versions == {1, 2}

    [record] = (tmp_path / "audit").glob("*.jsonl")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert len({line["request"] for line in lines}) == len(modalities.acknowledged)
    assert all(line["answer"]["label"] == LABELS[line["model"]["version"]] for line in lines)


def test_a_model_that_fails_its_trial_reads_nothing_and_another_takes_over(
    node: Node, store: Path, pacs: Pacs
) -> None:
    file = store / "pneumonia" / "2" / FILE_NAME
    manifest = read_manifest(file)
    other = manifest.calibration.model_copy(update={"scaling": Scaling(temperature=1, bias=9)})
    file.write_text(manifest.model_copy(update={"calibration": other}).to_file())
    use(store, "pneumonia", 2)
    with node.running(COMMAND) as process:
        assert send(node.port, image("1.2.3.5.1")) == 0x0000
        wait_until(lambda: "Another version may take over" in node.log.read_text(), "it failed")
        time.sleep(2)
        assert len(node.files("received")) == 1
        assert "pneumoscope_ready 0.0" in node.metrics()
        use(store, "pneumonia", 1)
        hang_up(node, process, "changed")
        wait_until(lambda: len(pacs.stored) == 2, "the results are sent")
    assert {of_version(result) for result in pacs.datasets} == {1}
