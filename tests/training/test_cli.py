import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.training import tiny
from training.cli import app
from training.fit import fine_tuning, lung_training

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and what was written to both streams."""
    wide = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, list(arguments), env=wide)
    return result.exit_code, result.output


def test_the_commands_are_listed() -> None:
    code, output = run("--help")
    assert code == 0
    assert {"commission", "download", "evaluate", "export", "fit", "lungs"} == COMMANDS.keys()
    assert all(command in output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_names_its_options(command: str) -> None:
    code, output = run(command, "--help")
    assert code == 0
    for parameter in COMMANDS[command].params:
        if parameter.param_type_name == "option":
            assert parameter.opts[0] in output


@pytest.mark.parametrize("arguments", [["fit"], ["export"], ["download"], ["unknown"]])
def test_a_wrong_call_is_a_usage_error(arguments: list[str]) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert "Usage" in output


def test_fit_passes_every_option_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[fine_tuning.Config, Path]] = []

    def record(config: fine_tuning.Config, run: Path) -> Path:
        seen.append((config, run))
        return tmp_path

    monkeypatch.setattr(fine_tuning, "fit", record)
    expected = tiny.config(
        tmp_path,
        lungs=str(tmp_path / "lungs"),
        dropout=0.1,
        epochs=7,
        weight_decay=0.01,
        precision="mixed_bfloat16",
        seed=5,
        start=str(tmp_path / "before"),
    )
    options = [
        part
        for name, value in vars(expected).items()
        if name != "sets"
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    code, output = run("fit", *expected.sets, "--run", str(tmp_path / "run"), *options)
    assert (code, output) == (0, f"the weights are {tmp_path}\n")
    assert seen == [(expected, tmp_path / "run")]


def test_lungs_passes_every_option_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[lung_training.Config, Path]] = []

    def record(config: lung_training.Config, run: Path) -> Path:
        seen.append((config, run))
        return tmp_path

    monkeypatch.setattr(lung_training, "fit", record)
    expected = lung_training.Config(("kermany=a", "table=b"), "masks", 3, 2, 0.01, 7)
    options = [
        part
        for name, value in vars(expected).items()
        if name != "sets"
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    code, output = run("lungs", *expected.sets, "--run", str(tmp_path / "run"), *options)
    assert (code, output) == (0, f"the weights are {tmp_path}\n")
    assert seen == [(expected, tmp_path / "run")]


def test_an_expected_error_is_one_sentence_and_exit_code_one(tmp_path: Path) -> None:
    code, output = run("export", "--run", str(tmp_path))
    assert code == 1
    assert output == f"Error: {tmp_path} is not the directory of a `fit`.\n"


def test_the_help_needs_no_tensorflow() -> None:
    script = (
        "import sys, training.cli; training.cli.app(['fit', '--help'], standalone_mode=False);"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
