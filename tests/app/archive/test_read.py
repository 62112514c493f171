import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.archive.read import read
from app.archive.row import Row, empty
from app.pacs.results import results_of
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.reading.reading import Reading
from app.settings import Settings
from model_store.store import ModelVersion
from tests import synthetic
from tests.app.dicom_results import given
from tests.app.reading import profiles

Ask = Callable[[bytes], tuple[Row, Reading | None]]


@pytest.fixture
def reader(settings: Settings) -> Reader:
    return load_reader(settings, Metrics())


@pytest.fixture
def ask(reader: Reader) -> Ask:
    """Read a file named `a`."""

    async def once(data: bytes) -> tuple[Row, Reading | None]:
        async with reader.running():
            return await read(reader, empty("a", reader.model), data)

    return lambda data: asyncio.run(once(data))


def test_a_row_says_what_the_reading_says(ask: Ask, reader: Reader, xray: bytes) -> None:
    row, reading = ask(xray)

    assert reading
    assert (row.path, row.format, row.width, row.height) == ("a", "PNG", 560, 480)
    assert (row.label, row.probability) == (reading.label, reading.probability)
    assert row.threshold == reading.threshold
    assert row.prediction_set == tuple(reading.prediction_set)
    assert (row.review, row.reasons) == (reading.review, tuple(reading.reasons))
    assert (row.lungs_left, row.lungs_top, row.lungs_right, row.lungs_bottom) == reading.lungs.box
    assert row.evidence_in_lungs == reading.evidence_in_lungs("pneumonia")
    assert (row.lungs_share, row.novelty) == (reading.lungs.share, reading.novelty)
    assert (row.brightness, row.view, row.age_group) == (reading.brightness, None, None)
    assert row.seconds == pytest.approx(reading.seconds["decode"] + reading.seconds["infer"])
    assert (row.model, row.model_version) == ("pneumonia", 1)
    assert row.model_digest == reader.model.digest
    assert (row.problem, row.sop_instance_uid) == (None, None)


def test_a_row_says_by_which_site_profile(
    settings: Settings, tiny_model: ModelVersion, xray: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "profile.json"
    profile = profiles.write(path, tiny_model.manifest, prevalence=0.01)
    reader = load_reader(settings.model_copy(update={"profile": path}), Metrics())

    async def once() -> tuple[Row, Reading | None]:
        async with reader.running():
            return await read(reader, empty("a", reader.model), xray)

    row, reading = asyncio.run(once())
    assert reading
    assert row.profile_digest == profile.digest
    assert row.probability == profile.at_site(float(reading.answers.probability[0]))
    assert row.threshold == profile.at_site(0.2)


def test_a_dicom_image_has_its_uids(ask: Ask) -> None:
    row, reading = ask(given.source_file())

    assert reading
    assert row.study_instance_uid == given.STUDY
    assert row.series_instance_uid == given.SERIES
    assert row.sop_instance_uid == given.IMAGE
    assert (row.view, row.age_group) == ("unknown", "65+")


def test_a_broken_dicom_image_has_them_too(ask: Ask) -> None:
    row, reading = ask(given.source_file(PixelData=b"\0\0"))

    assert reading is None
    assert (row.sop_instance_uid, row.problem) == (given.IMAGE, "unreadable_image")
    assert row.label is None


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "unsupported_format"),
        (b"hello", "unsupported_format"),
        (bytes(128) + b"DICM" + b"\xff" * 64, "unreadable_image"),
        (synthetic.encode(synthetic.checkerboard()), "not_a_chest_xray"),
    ],
)
def test_what_cannot_be_read_says_why(ask: Ask, data: bytes, problem: str) -> None:
    row, reading = ask(data)
    assert (reading, row.problem) == (None, problem)
    assert row.detail


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (MemoryError(), "short_of_resources"),
        (RuntimeError("secret"), "internal_error"),
    ],
)
def test_an_error_of_any_kind_is_a_row(
    ask: Ask,
    reader: Reader,
    xray: bytes,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    problem: str,
) -> None:
    async def fail(_: bytes) -> Reading:
        raise error

    monkeypatch.setattr(reader, "read", fail)
    row, _ = ask(xray)
    assert row.problem == problem
    assert "secret" not in str(row.detail)


def test_own_results_are_not_read_as_images(settings: Settings, ask: Ask) -> None:
    async def results() -> bytes:
        other = load_reader(settings, Metrics())
        async with other.running():
            return (await results_of(other, given.source_file())).files["overlay"]

    row, _ = ask(asyncio.run(results()))
    assert row.problem == "own_result"
    assert row.study_instance_uid == given.STUDY


def test_a_name_that_is_no_text_is_written_with_escapes(reader: Reader) -> None:
    name = b"x\xff\n.png".decode(errors="surrogateescape")
    assert empty(name, reader.model).path == "x\\xff\n.png"
