"""The page that documents the service: all of it from the service itself, by relative addresses."""

import re
from urllib.parse import urljoin

import httpx
import pytest

HOSTILE = 'x"><script>alert(1)</script>'


def sources(page: str) -> list[str]:
    """What the page has a browser fetch."""
    return [found[1] for found in re.finditer(r"""(?:src=|href=|url: )["']([^"']+)["']""", page)]


def test_all_that_it_needs_lies_beside_it(client: httpx.Client) -> None:
    page = client.get("/docs").text

    assert len(sources(page)) == 4
    for source in sources(page):
        assert not source.startswith(("/", "http"))
        assert client.get(urljoin("/docs", source)).status_code == httpx.codes.OK


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"])
def test_nothing_of_the_request_is_in_it(client: httpx.Client, header: str) -> None:
    page = client.get("/docs?patient=JANE", headers={header: HOSTILE})

    assert page.text == client.get("/docs").text


def test_the_description_names_its_own_place(client: httpx.Client) -> None:
    servers = client.get("/openapi.json", headers={"Host": "evil.example"}).json()["servers"]

    assert servers == [{"url": "."}]


@pytest.mark.parametrize("path", ["/predict/", "/docs/", "/live/"])
def test_nobody_is_sent_elsewhere(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{path}?patient=JANE")

    assert answer.status_code == httpx.codes.NOT_FOUND
    assert "location" not in answer.headers
    assert "JANE" not in answer.text
