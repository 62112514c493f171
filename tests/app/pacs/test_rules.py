"""Rules from a file: which images they match, and what is wrong with a file."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from app.errors import RulesError, UnreadableImageError
from app.pacs.rules import Facts, Rules, facts_of
from tests.app.dicom_results import given
from tests.app.imaging.dicom.dicoms import dicom

MOST = 10**6
IMAGE: dict[str, Any] = {
    "StationName": " Room1 ",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "AP",
    "PatientAge": "007Y",
}
FACTS = Facts("DX", "ROOM1", "CHEST", "AP", "XRAY", 7)


def load(folder: Path, text: str) -> Rules:
    path = folder / "rules.toml"
    path.write_text(text)
    return Rules.load(path)


def rule(condition: str, name: str = "one") -> str:
    return f'[[rule]]\nname = "{name}"\nread = false\n{condition}\n'


def test_facts_are_the_attributes() -> None:
    assert facts_of(given.source_file(**IMAGE), MOST, "Xray") == FACTS


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_facts_of_other_transfer_syntaxes(syntax: Any) -> None:
    assert facts_of(dicom(given.PIXELS, syntax=syntax, **IMAGE), MOST, "XRAY") == FACTS


@pytest.mark.parametrize(
    ("elements", "age"),
    [
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientAge": "010D"}, 10 / 365.25),
        ({"PatientAge": None}, 66.0),
        ({"PatientAge": "old", "PatientBirthDate": "20250301", "AcquisitionDate": None}, 1.0),
        ({"PatientAge": None, "PatientBirthDate": "20990101"}, None),
        ({"PatientAge": None, "PatientBirthDate": "19600231"}, None),
        ({"PatientAge": None, "PatientBirthDate": None}, None),
    ],
)
def test_ages(elements: dict[str, Any], age: float | None) -> None:
    found = facts_of(given.source_file(**elements), MOST).age
    assert found == (None if age is None else pytest.approx(age, abs=0.01))


def test_what_an_image_does_not_say_is_unknown() -> None:
    assert facts_of(given.source_file(**given.BARE), MOST) == Facts("DX")


def test_a_truncated_file_has_no_facts() -> None:
    with pytest.raises(UnreadableImageError):
        facts_of(given.source_file()[:140], MOST)


def test_a_small_file_that_inflates_to_much_is_not_read() -> None:
    bomb = dicom(given.PIXELS, syntax=DeflatedExplicitVRLittleEndian, PixelData=bytes(2**24))
    with pytest.raises(UnreadableImageError):
        facts_of(bomb, MOST)


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ("", True),
        ('modality = "DX"', True),
        ('modality = ["CR", "dx"]', True),
        ('modality = "CR"', False),
        ('station = "room?"', True),
        ('station = ["ICU*", "OR*"]', False),
        ('body_part = "CH*"', True),
        ('view = ["PA"]', False),
        ('source = "XRAY"', True),
        ("age_from = 7", True),
        ("age_below = 7", False),
        ("age_from = 2\nage_below = 7.5", True),
        ('modality = "DX"\nview = "PA"', False),
    ],
)
def test_conditions(tmp_path: Path, condition: str, matches: bool) -> None:
    assert (load(tmp_path, rule(condition)).decide(FACTS) is not None) == matches


@pytest.mark.parametrize("condition", ['station = "?*"', "age_from = 0", "age_below = 200"])
def test_what_is_unknown_matches_no_condition(tmp_path: Path, condition: str) -> None:
    assert load(tmp_path, rule(condition)).decide(Facts()) is None


def test_the_first_that_matches_decides(tmp_path: Path) -> None:
    text = rule('view = "PA"') + rule("", "two") + rule("", "three")
    decided = load(tmp_path, text).decide(FACTS)
    assert decided is not None
    assert decided.name == "two"


def test_no_file_has_no_rules() -> None:
    assert Rules.load(None).decide(FACTS) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (rule('colour = "red"'), "Rule 'one', colour: Extra inputs are not permitted."),
        (rule('age_from = "7Y"'), "Rule 'one', age_from: Input should be a valid number."),
        (rule("age_from = 7\nage_below = 7"), "Rule 'one', age_below: no age is below it"),
        (rule("modality = []"), "Rule 'one', modality: List should have at least 1 item"),
        (rule("modality = 1"), "Rule 'one', modality: Input should be a valid list."),
        (rule('results = ["report"]'), "Rule 'one', results: what is not read has none."),
        (
            '[[rule]]\nname = "two"\nread = true\nresults = ["overlay"]',
            "Rule 'two', results: of fhir, hl7, webhook, evidence, lungs, overlay, report",
        ),
        ('[[rule]]\nname = "two"\nread = "no"', "Rule 'two', read: Input should be a valid bool"),
        ('[[rule]]\nname = "two"', "Rule 'two', read: Field required."),
        (rule("") + "[[rule]]\nread = true", "Rule 2, name: Field required."),
        (rule("", "a\\nb"), "Rule 'a\\nb', name: String should match pattern"),
        (rule("") + rule(""), "Rule 'one', name: another rule has it too."),
        ("[rule]\nread = true", "Each rule begins with [[rule]]"),
        ("rules = []", "The rules have a key 'rules'"),
        ("[[rule", "The rules are no TOML: "),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(RulesError) as wrong:
        load(tmp_path, text)
    assert str(wrong.value).startswith(sentence)
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"^The rules cannot be read: No such file"):
        Rules.load(tmp_path / "rules.toml")
