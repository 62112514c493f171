"""The node in this process, between a sender and a PACS on real sockets."""

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from app.dicom_results.source import Source, read_source
from app.errors import NodeError, NotRecordedError, RulesError
from app.host import cores
from app.pacs import backoff, results
from app.pacs.node import node, readings
from app.pacs.node.settings import NodeSettings, StorageAddress
from app.pacs.results import Results, results_of
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings
from benchmarks.ports import free_port
from tests.app.conftest import Scripted
from tests.app.dicom_results import given
from tests.app.pacs import dcmtk
from tests.app.pacs.fhir_stub import FhirStub
from tests.app.pacs.network import LOCALHOST, PACS, Pacs, send, wait_until
from tests.app.pacs.ris import Ris
from tests.app.pacs.worklist import SECRET, Worklist

WITHOUT_LUNGS = {"PixelData": bytes(given.PIXELS.size)}
RESULTS = [SecondaryCaptureImageStorage, ComprehensiveSRStorage]


class Running:
    """A node, and what can be seen of it from outside."""

    def __init__(self, folder: Path, pacs: Pacs, **changes: Any) -> None:
        self.spool = folder / "spool"
        self.settings = NodeSettings(
            destination=StorageAddress(PACS, LOCALHOST, pacs.port),
            spool=self.spool,
            port=free_port(),
            metrics_port=free_port(),
            **changes,
        )

    def send(self, **elements: Any) -> None:
        assert send(self.settings.port, given.source_file(**elements)) == 0x0000

    def metric(self, line: str) -> float:
        url = f"http://{LOCALHOST}:{self.settings.metrics_port}/metrics"
        lines = httpx.get(url, trust_env=False, timeout=60).text.splitlines()
        found = [float(text.rpartition(" ")[2]) for text in lines if text.startswith(f"{line} ")]
        return found[0] if found else 0.0

    def waits_for(self, line: str, value: float) -> None:
        wait_until(lambda: self.metric(line) == value, f"{line} {value}")

    @property
    def reason(self) -> str:
        (reason,) = (self.spool / "aside").glob("*.txt")
        return reason.read_text()


@contextmanager
def _running(folder: Path, pacs: Pacs, settings: Settings, **changes: Any) -> Iterator[Running]:
    running = Running(folder, pacs, **changes)
    metrics, loop, stop = Metrics(), asyncio.new_event_loop(), asyncio.Event()
    reader = load_reader(settings, metrics)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            loop.run_until_complete(node.run(running.settings, settings, reader, metrics, stop))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: bool(failed) or _listens(running), "the node listens")
        assert not failed
        yield running
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
    assert not failed


def _listens(running: Running) -> bool:
    try:
        return running.metric("pneumoscope_node_results_sent_total") == 0
    except httpx.TransportError:
        return False


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs().listening() as pacs:
        yield pacs


def test_an_image_comes_in_and_its_results_go_out(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        running.waits_for('pneumoscope_node_queue{stage="results"}', 0)
        assert running.metric('pneumoscope_node_images_total{outcome="read"}') == 1
        assert running.metric('pneumoscope_node_received_total{outcome="queued"}') == 1
    assert [dataset.SOPClassUID for dataset in pacs.datasets] == RESULTS
    assert {dataset.PatientID for dataset in pacs.datasets} == {"4711"}
    assert not [path for path in (tmp_path / "spool").rglob("*/*") if path.is_file()]


def test_over_tls_results_wait_for_a_pacs_that_speaks_it(
    tmp_path: Path, made: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    image = tmp_path / "image.dcm"
    image.write_bytes(given.source_file())
    files = {
        "tls_certificate": made / "server.pem",
        "tls_key": made / "server.key",
        "tls_client_ca": made / "ca.pem",
        "destination_tls_ca": made / "ca.pem",
        "destination_tls_certificate": made / "client.pem",
        "destination_tls_key": made / "client.key",
    }
    plain = Pacs()
    with _running(tmp_path, plain, settings, **files) as running:
        with plain.listening():
            assert dcmtk.store(running.settings.port, image, *dcmtk.certificate(made, "client"))
            wait_until(lambda: "TLS with the PACS failed: " in caplog.text, "it is told")
        pacs = dcmtk.Storescp(tmp_path / "stored", plain.port)
        with pacs.listening(*dcmtk.certificate(made, "server")):
            running.waits_for("pneumoscope_node_results_sent_total", 2)
    assert not plain.stored
    assert {dataset.SOPClassUID for dataset in pacs.stored} == {*RESULTS}


def test_an_image_that_comes_again_gives_the_same_objects(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        for sent in (2, 4):
            running.send()
            running.waits_for("pneumoscope_node_results_sent_total", sent)
    assert pacs.datasets[:2] == pacs.datasets[2:]


def _uids(datasets: list[Dataset]) -> list[str]:
    return [str(dataset.SOPInstanceUID) for dataset in datasets]


@pytest.mark.parametrize("corrected", ["replace", "add"])
def test_a_corrected_image_is_read_and_told_for_one(
    tmp_path: Path,
    pacs: Pacs,
    settings: Settings,
    corrected: Literal["replace", "add"],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with _running(tmp_path, pacs, settings, corrected=corrected) as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        running.send(PatientName="Corrected^Jane")
        running.waits_for("pneumoscope_node_results_sent_total", 4)
        outcome = f'pneumoscope_node_images_total{{outcome="corrected_{corrected}"}}'
        assert running.metric(outcome) == 1
    first, second = pacs.datasets[:2], pacs.datasets[2:]
    assert (_uids(first) == _uids(second)) == (corrected == "replace")
    assert _series(first) == _series(second)
    assert {str(dataset.PatientName) for dataset in second} == {"Corrected^Jane"}
    assert {dataset.file_meta.MediaStorageSOPInstanceUID for dataset in second} == {*_uids(second)}
    assert "Another image of this UID was read before: " in caplog.text


def _series(datasets: list[Dataset]) -> list[str]:
    return [str(dataset.SeriesInstanceUID) for dataset in datasets]


def test_a_corrected_image_may_go_aside(tmp_path: Path, pacs: Pacs, settings: Settings) -> None:
    with _running(tmp_path, pacs, settings, corrected="aside") as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        running.send(PatientName="Corrected^Jane")
        running.waits_for('pneumoscope_node_queue{stage="aside"}', 1)
        assert running.reason == "Another image of this UID was read before.\n"
        running.send(SOPInstanceUID="1.2.9")
        running.waits_for("pneumoscope_node_results_sent_total", 4)


def test_results_that_come_back_are_not_read(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        (overlay,) = pacs.of_class(SecondaryCaptureImageStorage)
        assert send(running.settings.port, pacs.stored[0]) == 0x0000
        assert running.metric('pneumoscope_node_received_total{outcome="own_result"}') == 1
        assert running.metric('pneumoscope_node_queue{stage="received"}') == 0
    assert overlay.Manufacturer == "pneumoscope"


def test_a_lateral_view_gets_no_result(tmp_path: Path, pacs: Pacs, settings: Settings) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.send(ViewPosition="LL")
        running.waits_for('pneumoscope_node_images_total{outcome="lateral_view"}', 1)
        assert running.metric('pneumoscope_node_queue{stage="received"}') == 0
    assert pacs.stored == []


def test_what_a_rule_leaves_out_is_counted_by_its_name_and_gets_no_result(
    tmp_path: Path, pacs: Pacs, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "intensive care"\nread = false\nstation = "ICU*"\n'
        '[[rule]]\nname = "the sender"\nread = true\nsource = "SENDER"\nresults = ["report"]\n'
    )
    caplog.set_level(logging.INFO)
    with _running(tmp_path, pacs, settings, rules=rules) as running:
        running.send(StationName="ICU-7")
        running.waits_for('pneumoscope_node_not_selected_total{rule="intensive care"}', 1)
        running.waits_for('pneumoscope_node_images_total{outcome="not_selected"}', 1)
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 1)
        running.waits_for('pneumoscope_node_queue{stage="results"}', 0)
        assert running.metric('pneumoscope_node_queue{stage="received"}') == 0
        assert running.metric('pneumoscope_node_queue{stage="aside"}') == 0
    assert [dataset.SOPClassUID for dataset in pacs.datasets] == [ComprehensiveSRStorage]
    assert "not_selected, by the rule 'intensive care'" in caplog.text
    assert not [value for value in ("ICU-7", "4711", "ller") if value in caplog.text]


def test_segmentations_go_out_where_they_are_asked_for(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "one room"\nread = true\nstation = "ROOM 1"\n'
        'results = ["lungs", "report"]\n'
    )
    asked: dict[str, Any] = {"rules": rules, "results": ("evidence", "lungs", "report")}
    with _running(tmp_path, pacs, settings, **asked) as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 3)
        running.send(SOPInstanceUID="1.2.9", StationName="ROOM 1")
        running.waits_for("pneumoscope_node_results_sent_total", 5)
    kinds = [str(dataset.get("ContentLabel", dataset.Modality)) for dataset in pacs.datasets]
    assert kinds == ["EVIDENCE", "LUNGS", "SR", "LUNGS", "SR"]
    assert {dataset.PatientID for dataset in pacs.datasets} == {"4711"}


def test_readings_go_to_a_fhir_server_as_well(
    tmp_path: Path,
    pacs: Pacs,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    caplog.set_level(logging.INFO)
    with FhirStub().listening() as fhir:
        fhir.status = 503
        with _running(tmp_path, pacs, settings, fhir=fhir.url) as running:
            running.send()
            failures = 'pneumoscope_node_send_failures_total{reason="unreachable"}'
            wait_until(lambda: running.metric(failures) > 0, "the server is away")
            assert [dataset.SOPClassUID for dataset in pacs.datasets] == RESULTS
            fhir.status = None
            running.waits_for("pneumoscope_node_results_sent_total", 3)
            running.waits_for('pneumoscope_node_queue{stage="results"}', 0)
    (report,) = fhir.of_type("DiagnosticReport")
    assert report["subject"]["identifier"]["value"] == "4711"
    assert "The FHIR server is too busy, or away for now (status 503)." in caplog.text
    assert not [value for value in ("4711", "ller", fhir.url) if value in caplog.text]


def test_readings_go_to_a_ris_as_well(
    tmp_path: Path, pacs: Pacs, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ris = Ris()
    ris.port = free_port()
    with _running(tmp_path, pacs, settings, hl7=f"{LOCALHOST}:{ris.port}") as running:
        running.send()
        failures = 'pneumoscope_node_send_failures_total{reason="unreachable"}'
        wait_until(lambda: running.metric(failures) > 0, "the RIS is away")
        assert [dataset.SOPClassUID for dataset in pacs.datasets] == RESULTS
        with ris.listening():
            running.waits_for("pneumoscope_node_results_sent_total", 3)
            running.waits_for('pneumoscope_node_queue{stage="results"}', 0)
    (message,) = ris.messages
    assert str(message["PID.F3.R1.C1"]) == "4711"
    assert not [value for value in ("4711", "ller") if value in caplog.text]


def test_a_worklist_is_told_of_what_is_urgent(
    tmp_path: Path, pacs: Pacs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("PNEUMOSCOPE_WEBHOOK_SECRET", SECRET)
    worklist = Worklist()
    with _running(tmp_path, pacs, settings, webhook=worklist.url) as running:
        running.send()
        failures = 'pneumoscope_node_send_failures_total{reason="unreachable"}'
        wait_until(lambda: running.metric(failures) > 0, "the worklist is away")
        assert [dataset.SOPClassUID for dataset in pacs.datasets] == RESULTS
        with worklist.listening():
            running.waits_for("pneumoscope_node_results_sent_total", 3)
            running.waits_for('pneumoscope_node_queue{stage="results"}', 0)
    (notice,) = worklist.notices
    assert notice["data"]["image"] == given.IMAGE
    assert notice["data"]["review"]


def test_without_a_secret_nothing_is_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PNEUMOSCOPE_WEBHOOK_SECRET", raising=False)
    running = Running(tmp_path, Pacs(), webhook=Worklist().url)
    metrics = Metrics()
    reader = load_reader(settings, metrics)
    with pytest.raises(NodeError, match=r"^PNEUMOSCOPE_WEBHOOK_SECRET is whsec_ and"):
        asyncio.run(node.run(running.settings, settings, reader, metrics, asyncio.Event()))


def test_what_is_read_is_recorded(tmp_path: Path, pacs: Pacs, settings: Settings) -> None:
    audit = tmp_path / "audit"
    with _running(tmp_path, pacs, settings, audit=audit) as running:
        running.send()
        running.waits_for('pneumoscope_node_images_total{outcome="read"}', 1)
        running.send(SOPInstanceUID="1.2.9", **WITHOUT_LUNGS)
        running.waits_for('pneumoscope_node_images_total{outcome="not_a_chest_xray"}', 1)
        other = Running(tmp_path / "other", pacs, audit=audit)
        reader = load_reader(settings, Metrics())
        with pytest.raises(NodeError, match=r"^Another process writes into PNEUMOSCOPE_NODE_AUDIT"):
            asyncio.run(node.run(other.settings, settings, reader, Metrics(), asyncio.Event()))

    (file,) = audit.glob("*.jsonl")
    answered, refused = (json.loads(line) for line in file.read_text().splitlines())
    assert answered["answer"]["label"] == "NORMAL"
    assert answered["request"] != refused["request"]
    assert refused["problem"] == "not_a_chest_xray"
    assert not [value for value in ("4711", given.STUDY, given.IMAGE) if value in file.read_text()]


def test_wrong_rules_end_the_start(tmp_path: Path, settings: Settings) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "one"\nread = true\nroom = "7"\n')
    running = Running(tmp_path, Pacs(), rules=rules)
    metrics = Metrics()
    reader = load_reader(settings, metrics)
    with pytest.raises(RulesError, match=r"^Rule 'one', room: "):
        asyncio.run(node.run(running.settings, settings, reader, metrics, asyncio.Event()))


def test_an_image_without_lungs_gets_no_result_and_blocks_none(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.send(**WITHOUT_LUNGS)
        running.send(SOPInstanceUID="1.2.9")
        running.waits_for('pneumoscope_node_images_total{outcome="not_a_chest_xray"}', 1)
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        assert running.metric('pneumoscope_node_queue{stage="received"}') == 0
        assert running.metric('pneumoscope_node_queue{stage="aside"}') == 0


def test_an_image_without_lungs_is_answered_where_that_is_set(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    warning = settings.model_copy(update={"unsuitable": "warn"})
    with _running(tmp_path, pacs, warning) as running:
        running.send(**WITHOUT_LUNGS)
        running.waits_for("pneumoscope_node_results_sent_total", 2)
    (report,) = pacs.of_class(ComprehensiveSRStorage)
    texts = [element.value for element in report.iterall() if element.keyword == "TextValue"]
    assert "Warning: no_lungs_found" in texts


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PixelData": b"\0\0"}, "The DICOM file holds fewer pixels than it declares.\n"),
        (
            {"StudyInstanceUID": None},
            "The DICOM image lacks a valid StudyInstanceUID, which a result refers to.\n",
        ),
    ],
)
def test_a_poison_image_goes_aside_and_the_next_is_read(
    tmp_path: Path, pacs: Pacs, settings: Settings, elements: dict[str, Any], reason: str
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.send(**elements)
        running.send(SOPInstanceUID="1.2.9")
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        running.waits_for('pneumoscope_node_queue{stage="aside"}', 1)
        assert running.metric('pneumoscope_node_images_total{outcome="aside"}') == 1
        assert running.reason == reason


def test_an_unreachable_pacs_gets_all_once_it_is_there(tmp_path: Path, settings: Settings) -> None:
    pacs = Pacs()
    with _running(tmp_path, pacs, settings) as running:
        for number in range(3):
            running.send(SOPInstanceUID=f"1.2.{number}")
        running.waits_for('pneumoscope_node_queue{stage="results"}', 3)
        failures = 'pneumoscope_node_send_failures_total{reason="unreachable"}'
        wait_until(lambda: running.metric(failures) > 0, "a failure is counted")
        assert running.metric('pneumoscope_node_oldest_seconds{stage="results"}') > 0
        with pacs.listening():
            running.waits_for("pneumoscope_node_results_sent_total", 6)
            running.waits_for('pneumoscope_node_queue{stage="results"}', 0)
    assert [dataset.SOPClassUID for dataset in pacs.datasets] == RESULTS * 3


def test_what_the_pacs_refuses_goes_aside(tmp_path: Path, pacs: Pacs, settings: Settings) -> None:
    pacs.status = 0xA900
    with _running(tmp_path, pacs, settings) as running:
        running.send()
        running.waits_for('pneumoscope_node_queue{stage="aside"}', 1)
        assert running.metric('pneumoscope_node_send_failures_total{reason="refused"}') == 1
        assert running.reason == "The PACS answered the C-STORE request with status A900.\n"


def test_a_failing_engine_throws_no_image_aside(
    tmp_path: Path, pacs: Pacs, settings: Settings, scripted: Scripted
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.waits_for("pneumoscope_ready", 1)
        scripted.error = RuntimeError("out of memory")
        running.send()
        failed = threading.Event()
        original = scripted.infer

        def infer(images: Any) -> Any:
            if len(images) == scripted.max_batch or scripted.error:
                failed.set()
            return original(images)

        scripted.infer = infer  # type: ignore[method-assign]
        assert failed.wait(90)
        assert running.metric('pneumoscope_node_queue{stage="received"}') == 1
        assert running.metric('pneumoscope_node_queue{stage="aside"}') == 0
        scripted.error = None
        running.waits_for("pneumoscope_node_results_sent_total", 2)


def test_an_image_that_takes_long_holds_up_no_other(
    tmp_path: Path, pacs: Pacs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def takes_long(data: bytes) -> Source:
        if b"1.2.66" in data:
            assert go.wait(90)
        return read_source(data)

    monkeypatch.setattr(results, "read_source", takes_long)
    with _running(tmp_path, pacs, settings) as running:
        running.send(SOPInstanceUID="1.2.66")
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        go.set()
        running.waits_for("pneumoscope_node_results_sent_total", 4)


def test_images_that_memory_is_too_short_for_hold_up_no_other(
    tmp_path: Path, pacs: Pacs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_short_for_some(reader: Reader, data: bytes, *more: Any) -> Results:
        if b"1.2.66" in data:
            raise MemoryError
        return await results_of(reader, data, *more)

    monkeypatch.setattr(readings, "results_of", is_short_for_some)
    with _running(tmp_path, pacs, settings) as running:
        for number in range(cores.available() + 1):
            running.send(SOPInstanceUID=f"1.2.66.{number}")
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        assert running.metric('pneumoscope_node_queue{stage="aside"}') == 0


def test_strays_in_the_queue_hold_up_no_image(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        for number in range(cores.available() + 1):
            (running.spool / "received" / f"{number:064x}.dcm").mkdir()
            (running.spool / "received" / f"stray{number}.dcm").write_bytes(b"DICM")
            (running.spool / "results" / f"{number:064x}").write_bytes(b"DICM")
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)


def test_an_image_that_is_moved_by_hand_is_read(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        image = given.source_file()
        moved = running.spool / "received" / f"{hashlib.sha256(image).hexdigest()}.dcm"
        moved.write_bytes(image)
        running.waits_for("pneumoscope_node_results_sent_total", 2)


def test_an_image_that_fails_in_an_unknown_way_is_tried_twice(
    tmp_path: Path, pacs: Pacs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    async def fails_for_one(reader: Reader, data: bytes, *more: Any) -> Results:
        if b"1.2.66" in data:
            tried.append(data)
            raise ZeroDivisionError("4711")
        return await results_of(reader, data, *more)

    monkeypatch.setattr(readings, "results_of", fails_for_one)
    with _running(tmp_path, pacs, settings) as running:
        running.send(SOPInstanceUID="1.2.66")
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        running.waits_for('pneumoscope_node_queue{stage="aside"}', 1)
        assert running.reason == "Reading the image failed twice, with ZeroDivisionError.\n"
    assert len(tried) == 2


@pytest.mark.parametrize("shortage", [MemoryError, ImportError, NotRecordedError])
def test_an_image_waits_out_a_shortage_however_long_it_lasts(
    tmp_path: Path,
    pacs: Pacs,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    shortage: type[Exception],
) -> None:
    left = [shortage] * 4

    async def is_short_at_first(reader: Reader, data: bytes, *more: Any) -> Results:
        if left:
            raise left.pop()
        return await results_of(reader, data, *more)

    monkeypatch.setattr(readings, "results_of", is_short_at_first)
    monkeypatch.setattr(backoff, "_FIRST_SECONDS", 0.01)
    with _running(tmp_path, pacs, settings) as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        assert running.metric('pneumoscope_node_queue{stage="aside"}') == 0
    assert not left


def test_a_result_of_another_maker_by_its_own_account_is_known_by_its_uid(
    tmp_path: Path, pacs: Pacs, settings: Settings
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        running.send()
        running.waits_for("pneumoscope_node_results_sent_total", 2)
        (overlay,) = pacs.of_class(SecondaryCaptureImageStorage)
        overlay.Manufacturer = "Archive"
        file = BytesIO()
        overlay.save_as(file)
        assert send(running.settings.port, file.getvalue()) == 0x0000
        running.waits_for('pneumoscope_node_images_total{outcome="own_result"}', 1)
        assert running.metric('pneumoscope_node_queue{stage="received"}') == 0
    assert len(pacs.stored) == 2


def test_what_waits_is_seen_and_sent_after_a_restart(tmp_path: Path, settings: Settings) -> None:
    pacs = Pacs()
    with _running(tmp_path, pacs, settings) as running:
        running.send()
        running.waits_for('pneumoscope_node_queue{stage="results"}', 1)
    with _running(tmp_path, pacs, settings) as running, pacs.listening():
        running.waits_for("pneumoscope_node_results_sent_total", 2)
    assert [dataset.SOPClassUID for dataset in pacs.datasets] == RESULTS


@pytest.mark.parametrize("variable", ["SPOOL", "PORT", "METRICS_PORT"])
def test_what_another_process_holds_is_named(
    tmp_path: Path, pacs: Pacs, settings: Settings, variable: str
) -> None:
    with _running(tmp_path, pacs, settings) as running:
        free = {"spool": tmp_path / "other", "port": free_port(), "metrics_port": free_port()}
        del free[variable.lower()]
        second = running.settings.model_copy(update=free)
        metrics = Metrics()
        reader = load_reader(settings, metrics)
        with pytest.raises(NodeError, match=f"^PNEUMOSCOPE_NODE_{variable}: "):
            asyncio.run(node.run(second, settings, reader, metrics, asyncio.Event()))
