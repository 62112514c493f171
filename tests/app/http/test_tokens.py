import logging
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.errors import ServeError
from app.http import tokens
from app.http.tokens import Caller, Tokens


def _line(token: str, name: str = "ward", rest: str = "") -> str:
    return f"{name} {sha256(token.encode()).hexdigest()}{rest}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text("# who may ask\n\n" + _line("a") + _line("b", "ris", " 120"))
    return path


def test_a_token_is_its_callers(file: Path) -> None:
    known = Tokens(file)

    assert known.caller_of("a") == Caller("ward")
    assert known.caller_of("b") == Caller("ris", 120)
    assert known.caller_of("c") is None
    assert known.caller_of("") is None
    assert known.caller_of("é") is None


def test_a_new_token_has_256_bits_and_a_line_for_the_file(tmp_path: Path) -> None:
    token, line = tokens.new("ward-7")
    other, _ = tokens.new("ward-7")
    (tmp_path / "tokens").write_text(line)

    assert len(token) == 43
    assert token != other
    assert token not in line
    assert Tokens(tmp_path / "tokens").caller_of(token) == Caller("ward-7")


def test_the_command_makes_one(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["token", "ward-7"]).stdout.splitlines()
    (tmp_path / "tokens").write_text(made[-1])

    assert Tokens(tmp_path / "tokens").caller_of(made[1]) == Caller("ward-7")
    refused = CliRunner().invoke(cli, ["token", "ward 7"])
    assert refused.exit_code == 1
    assert "ward 7" not in refused.output


@pytest.mark.parametrize("name", ["", "ward 7", "a\nb", "-", "ä", "x" * 65])
def test_a_name_has_few_characters(name: str) -> None:
    with pytest.raises(ValueError, match="A name is"):
        tokens.new(name)


@pytest.mark.parametrize(
    "line",
    ["SECRET", "ward", "ward SECRET", "ward " + "A" * 64, _line("a", rest=" 0"), "w{} " + "a" * 64],
)
def test_a_wrong_line_is_named_and_not_quoted(tmp_path: Path, line: str) -> None:
    (tmp_path / "tokens").write_text("#\n" + line)

    with pytest.raises(ServeError, match="PNEUMOSCOPE_TOKENS, line 2: ") as error:
        Tokens(tmp_path / "tokens")
    assert "SECRET" not in str(error.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="cannot be read: No such file"):
        Tokens(tmp_path / "tokens")
    (tmp_path / "tokens").write_bytes(b"\xff\xfe")
    with pytest.raises(ServeError, match="not a text"):
        Tokens(tmp_path / "tokens")


def test_a_change_counts_at_once(file: Path) -> None:
    known = Tokens(file)
    file.write_text(_line("c", "new"))

    assert known.caller_of("c") == Caller("new")
    assert known.caller_of("a") is None
    # Nobody may ask any more.
    file.write_text("")
    assert known.caller_of("c") is None


def test_another_file_may_take_its_place(file: Path, tmp_path: Path) -> None:
    known = Tokens(file)
    (tmp_path / "next").write_text(_line("c") + _line("d", "ris", " 120"))
    (tmp_path / "next").replace(file)

    assert known.caller_of("d") == Caller("ris", 120)


def test_a_broken_file_leaves_what_was_and_is_told_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pneumoscope")
    known = Tokens(file)
    for spoil in (lambda: file.write_text(_line("c") + "ward 12"), file.unlink):
        spoil()
        caplog.clear()
        assert [known.caller_of("a"), known.caller_of("c")] == [Caller("ward"), None]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "stay valid" in caplog.text

    file.write_text(_line("c"))
    assert known.caller_of("c") == Caller("ward")
