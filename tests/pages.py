"""What an HTML file would fetch, read as a browser does."""

import re
from html.parser import HTMLParser

_FETCHING_TAGS = {"base", "embed", "iframe", "link", "object", "script"}
_FETCHING_ATTRIBUTES = {"background", "data", "poster", "src", "srcset"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _FETCHING_TAGS:
            self.fetched.append(tag)
        for name, value in attrs:
            if name in _FETCHING_ATTRIBUTES:
                inside = value is not None and value.startswith("data:")
                (self.pictures if inside else self.fetched).append(str(value))


def read(page: str) -> tuple[list[str], list[str]]:
    """The data URIs that the page holds, and whatever else it would have to fetch."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.pictures, reader.fetched + re.findall(r"@import[^;]*|url\([^)]*\)", page)
