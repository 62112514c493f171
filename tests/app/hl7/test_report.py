"""The message, read by other implementations: hl7apy, which validates, and python-hl7."""

from datetime import UTC, datetime
from typing import Any

import hl7
import pytest
from hl7apy.parser import parse_message

from app.codes import Label
from app.dicom_results.source import read_source
from app.hl7.report import oru
from tests.app.dicom_results import given

MADE = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)


def message(header: dict[str, Any] | None = None, **reading: Any) -> hl7.Message:
    source = read_source(given.source_file(**(header or {})))
    return hl7.parse(oru(source, given.reading(**reading), MADE).decode())


def test_it_is_valid() -> None:
    written = oru(read_source(given.source_file()), given.reading(), MADE).decode()
    parsed = parse_message(written, find_groups=True, validation_level=1)
    assert parsed.validate()
    assert parsed.name == "ORU_R01"


def test_it_says_whose_image_it_is_and_when_it_was_taken() -> None:
    found = message()
    assert str(found["PID.F3.R1.C1"]) == "4711"
    assert str(found["PID.F3.R1.C4"]) == "Hospital"
    assert (str(found["PID.F5.R1.C1"]), str(found["PID.F5.R1.C2"])) == ("Müller", "Jörg")
    assert (str(found["PID.F7"]), str(found["PID.F8"])) == ("19600229", "M")
    assert str(found["OBR.F7"]) == "20260301102030"
    assert str(found["OBR.F18"]) == "A1"
    assert str(found["MSH.F7"]) == "20260301103000+0000"


def test_it_says_what_was_read() -> None:
    reading = given.reading()
    found = message()
    finding, probability, study, *_ = found.segments("OBX")
    assert str(finding[3]) == "233604007^Pneumonia^SCT"
    assert str(finding[5]).endswith("^SCT")
    assert float(str(probability[5])) == pytest.approx(reading.probability, abs=1e-6)
    assert str(probability[7]) == f"<{reading.threshold:g}"
    assert str(study[5]) == given.STUDY
    assert {str(one[11]) for one in found.segments("OBX")} == {str(found["OBR.F25"])} == {"P"}
    notes = [str(note[3]) for note in found.segments("NTE")]
    assert any(reading.model.digest in note for note in notes)
    assert any("research use" in note for note in notes)


def test_a_high_probability_has_a_flag() -> None:
    reading = given.reading()
    assert reading.label == Label.PNEUMONIA
    finding, probability, *_ = message().segments("OBX")
    assert (str(finding[8]), str(probability[8])) == ("A", "H")


def test_characters_of_its_own_do_not_break_it() -> None:
    found = message({"PatientName": "O|Neil & Co~^Ann", "AccessionNumber": "1^2"})
    assert found.unescape(str(found["PID.F5.R1.C1"])) == "O|Neil & Co~"
    assert str(found["PID.F5.R1.C2"]) == "Ann"
    assert found.unescape(str(found["OBR.F18"])) == "1^2"
    assert len(found.segments("PID")) == 1


def test_what_is_unknown_is_empty() -> None:
    found = message(given.BARE)
    assert str(found["PID.F5"]) == ""
    assert str(found["OBR.F7"]) == ""


def test_a_reading_keeps_its_numbers() -> None:
    first, second = message(), message()
    assert str(first["MSH.F10"]) == str(second["MSH.F10"])
    assert 0 < len(str(first["MSH.F10"])) <= 20
    assert str(first["OBR.F3"]) == str(second["OBR.F3"])
