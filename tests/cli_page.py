"""The commands as their `--help` tells them: `make docs` writes it to docs/cli.md."""

from collections.abc import Iterator

import typer
from typer.testing import CliRunner

from app.cli import cli
from training.cli import app as training

_HEAD = """\
# Commands

Written by `make docs` from each command's `--help`.
"""


def page() -> str:
    """The page, in Markdown."""
    programs = ("pneumoscope", cli), ("python -m training", training)
    told = [told for name, program in programs for told in _told(name, program, program, [])]
    return "\n".join([_HEAD, *told])


def _told(name: str, program: typer.Typer, group: typer.Typer, path: list[str]) -> Iterator[str]:
    """A section for a group and for each command below it, in the program's own order."""
    yield _section(name, program, path)
    for command in group.registered_commands:
        own = command.name or command.callback.__name__.replace("_", "-")  # type: ignore[union-attr]
        yield _section(name, program, [*path, own])
    for below in group.registered_groups:
        if below.name and below.typer_instance:
            yield from _told(name, program, below.typer_instance, [*path, below.name])


def _section(name: str, program: typer.Typer, path: list[str]) -> str:
    asked = CliRunner().invoke(program, [*path, "--help"], prog_name=name, terminal_width=100)
    lines = "\n".join(line.rstrip() for line in asked.stdout.strip().splitlines())
    return f"## `{' '.join([name, *path])}`\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
