"""The command `pneumoscope rules`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from tests.app.dicom_results import given

RULES = """\
[[rule]]
name = "intensive care"
read = false
station = "ICU*"

[[rule]]
name = "one room"
read = true
source = "XRAY1"
age_from = 18
results = ["report"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "icu.dcm").write_bytes(given.source_file(StationName="ICU-3"))
    (tmp_path / "lateral.dcm").write_bytes(given.source_file(ViewPosition="LL"))
    (tmp_path / "adult.dcm").write_bytes(given.source_file())
    (tmp_path / "broken.dcm").write_bytes(given.source_file(PixelData=b"\0\0"))
    return tmp_path


def explain(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    files = [str(folder / argument) if "." in argument else argument for argument in arguments]
    done = CliRunner().invoke(cli, ["rules", str(folder / "rules.toml"), *files])
    return done.exit_code, done.output.replace(f"{folder}/", "").splitlines()


def test_it_says_which_rule_decides(folder: Path) -> None:
    status, lines = explain(folder, "icu.dcm", "adult.dcm", "lateral.dcm", "--source", "XRAY1")

    assert status == 0
    assert lines == [
        "icu.dcm: not read, by the rule 'intensive care'",
        "adult.dcm: read, by the rule 'one room', with report alone",
        "  'intensive care' does not match: station (unknown)",
        "lateral.dcm: not read: lateral_view; it would be, by the rule 'one room'",
        "  'intensive care' does not match: station (unknown)",
    ]


def test_it_says_which_conditions_fail(folder: Path) -> None:
    status, lines = explain(folder, "adult.dcm", "--source", "OTHER")

    assert status == 0
    assert lines == [
        "adult.dcm: read, since no rule matches",
        "  'intensive care' does not match: station (unknown)",
        "  'one room' does not match: source",
    ]


def test_what_cannot_be_read_fails(folder: Path) -> None:
    status, lines = explain(folder, "broken.dcm", "rules.toml")

    assert status == 1
    assert lines[0].startswith("broken.dcm: cannot be read: The DICOM file holds fewer pixels")
    assert lines[1].startswith("rules.toml: cannot be read: ")


def test_nothing_of_the_patient_is_told(folder: Path) -> None:
    _, lines = explain(folder, "icu.dcm", "adult.dcm", "lateral.dcm", "broken.dcm")

    said = "\n".join(lines)
    assert not [value for value in ("ller", "4711", "1960", "066", "ICU-3") if value in said]


def test_wrong_rules_are_one_sentence(folder: Path) -> None:
    (folder / "rules.toml").write_text("[[rule]]\nname = 'x'\nread = 1")

    done = CliRunner().invoke(cli, ["rules", str(folder / "rules.toml"), str(folder / "icu.dcm")])

    assert done.exit_code == 1
    assert done.output == "pneumoscope: Rule 'x', read: Input should be a valid boolean.\n"
