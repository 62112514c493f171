"""docs/cli.md is what the commands say of themselves."""

from pathlib import Path

from tests import cli_page

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == cli_page.page(), "run `make docs`"
