"""One HTML file out of Markdown and its pictures, which opens without a network."""

import base64
import html
from pathlib import Path

from markdown_it import MarkdownIt

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 52rem; margin: 2rem auto; padding: 0 1rem }}
h1, h2, h3 {{ line-height: 1.2; margin-top: 2.2rem }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0 }}
th, td {{ border-bottom: 1px solid #ddd; padding: .3rem .8rem; text-align: left;
  font-variant-numeric: tabular-nums }}
img {{ max-width: 100%; height: auto; vertical-align: top }}
@media (min-width: 40rem) {{ img:not(:only-child) {{ width: 49% }} }}
pre {{ background: #f5f5f5; padding: .8rem; overflow-x: auto }}
code {{ font: .9em ui-monospace, monospace }}
</style>
{body}
</html>
"""


def html_page(title: str, markdown: str, folder: Path) -> str:
    """The page, with every picture that the Markdown shows from `folder` inside it.

    Raises:
        OSError: a picture is not there.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for picture in (child for token in tokens for child in token.children or ()):
        if picture.type == "image":
            content = base64.b64encode((folder / str(picture.attrs["src"])).read_bytes())
            picture.attrs["src"] = f"data:image/png;base64,{content.decode()}"
    body = parser.renderer.render(tokens, parser.options, {})
    return _PAGE.format(title=html.escape(title), body=body)
