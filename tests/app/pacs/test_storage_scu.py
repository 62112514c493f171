from collections.abc import Iterator

import pytest
from pydicom.uid import UID, ComprehensiveSRStorage, ImplicitVRLittleEndian

from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import read_source
from app.dicom_results.structured_report import structured_report
from app.errors import RefusedError, UnreachableError
from app.pacs.node.settings import StorageAddress
from app.pacs.storage_scu import StorageDestination
from benchmarks.ports import free_port
from tests.app.dicom_results import given
from tests.app.pacs.network import LOCALHOST, PACS, Pacs


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs().listening() as pacs:
        yield pacs


@pytest.fixture(scope="module")
def results() -> list[bytes]:
    """One of each kind, the overlay first."""
    source, reading = read_source(given.source_file()), given.reading()
    return [
        secondary_capture(source, reading, given.overlay(), "normal"),
        *(
            write(source, reading)
            for write in (structured_report, evidence_segmentation, lungs_segmentation)
        ),
    ]


def _destination(port: int, title: str = PACS) -> StorageDestination:
    return StorageDestination("PNEUMOSCOPE", StorageAddress(title, LOCALHOST, port))


def test_the_pacs_gets_the_same_objects(pacs: Pacs, results: list[bytes]) -> None:
    _destination(pacs.port).store(results)
    assert pacs.datasets == [given.parse(data) for data in results]


@pytest.mark.parametrize("status", [0x0111, 0xB000, 0xB006, 0xB007])
def test_a_warning_or_a_duplicate_is_stored(pacs: Pacs, results: list[bytes], status: int) -> None:
    pacs.status = status
    _destination(pacs.port).store(results)


@pytest.mark.parametrize("status", [0xA700, 0xA7FF, 0x0110, 0x0124])
def test_what_may_change_is_unreachable(pacs: Pacs, results: list[bytes], status: int) -> None:
    pacs.status = status
    with pytest.raises(UnreachableError, match=f"status {status:04X}"):
        _destination(pacs.port).store(results)


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0xCFFF, 0x0117, 0x0122])
def test_what_stays_is_refused(pacs: Pacs, results: list[bytes], status: int) -> None:
    pacs.status = status
    with pytest.raises(RefusedError, match=f"status {status:04X}"):
        _destination(pacs.port).store(results)


def test_nobody_listens(results: list[bytes]) -> None:
    with pytest.raises(UnreachableError):
        _destination(free_port()).store(results)


def test_the_host_has_no_address(results: list[bytes]) -> None:
    destination = StorageDestination("PNEUMOSCOPE", StorageAddress(PACS, "host.invalid", 104))
    with pytest.raises(UnreachableError):
        destination.store(results)


def test_a_pacs_that_takes_one_kind_gets_it(results: list[bytes]) -> None:
    pacs = Pacs()
    pacs.sop_classes = [ComprehensiveSRStorage]
    with pacs.listening():
        _destination(pacs.port).store(results[1:2])
        with pytest.raises(RefusedError, match="Secondary Capture Image Storage"):
            _destination(pacs.port).store(results)
    assert [dataset.SOPClassUID for dataset in pacs.datasets] == [ComprehensiveSRStorage]


def test_a_pacs_that_takes_no_kind_refuses(results: list[bytes]) -> None:
    pacs = Pacs()
    pacs.sop_classes = [UID("1.2.840.10008.1.1")]
    with pacs.listening(), pytest.raises(RefusedError, match="no kind of result"):
        _destination(pacs.port).store(results)


def test_a_pacs_of_implicit_vr_gets_the_same_values(results: list[bytes]) -> None:
    pacs = Pacs()
    with pacs.listening(syntax=ImplicitVRLittleEndian):
        _destination(pacs.port).store(results)
    for got, sent in zip(pacs.datasets, map(given.parse, results), strict=True):
        assert [element.value for element in got] == [element.value for element in sent]
