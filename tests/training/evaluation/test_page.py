"""One HTML file out of Markdown and its pictures."""

import base64
from pathlib import Path

import pytest

from tests import pages
from training.evaluation.page import html_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two figures, each with its own content."""
    (tmp_path / "figures").mkdir()
    for name in ("figures/roc.png", "figures/reliability.png"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_every_picture_is_inside_the_page(folder: Path) -> None:
    page = html_page("", "![a](figures/roc.png) ![b](figures/reliability.png)", folder)
    pictures, fetched = pages.read(page)
    assert fetched == []
    head, contents = "data:image/png;base64,", [picture.split(",")[1] for picture in pictures]
    assert all(picture.startswith(head) for picture in pictures)
    assert [base64.b64decode(content) for content in contents] == [
        b"figures/roc.png",
        b"figures/reliability.png",
    ]


def test_a_picture_that_is_missing_is_an_error(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        html_page("", "![a](figures/gone.png)", folder)


def test_a_picture_from_elsewhere_is_an_error(folder: Path) -> None:
    with pytest.raises(OSError, match="example"):
        html_page("", "![a](https://example.org/a.png)", folder)


def test_html_in_the_markdown_and_the_title_is_escaped(folder: Path) -> None:
    markdown = '<script src="//example.org/a.js"></script>\n\na <img src=b.png> & `<link>`'
    page = html_page("<b>chests</b>", markdown, folder)
    assert pages.read(page) == ([], [])
    assert "<title>&lt;b&gt;chests&lt;/b&gt;</title>" in page
    assert "&lt;script src=&quot;//example.org/a.js&quot;&gt;" in page
    assert "a &lt;img src=b.png&gt; &amp; <code>&lt;link&gt;</code>" in page


def test_braces_in_the_markdown_stay(folder: Path) -> None:
    assert "<p>{a} {{b}}</p>" in html_page("", "{a} {{b}}", folder)


def test_a_table_becomes_a_table(folder: Path) -> None:
    page = html_page("", "| a | b |\n| --- | ---: |\n| 1 | **2** |", folder)
    head, body = page.split("<table>")[1].split("</table>")[0].split("<tbody>")
    assert "<th>a</th>" in head
    assert "<td>1</td>" in body
    assert "<strong>2</strong></td>" in body
