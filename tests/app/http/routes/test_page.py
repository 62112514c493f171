"""The page's files, and what the browser is told of them. `tests/app/http/page` has a browser."""

import re
from importlib import resources
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from app.codes import Reason, WarningCode
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.routes.test_docs import HOSTILE, sources

BUDGET = 200_000
FILES = resources.files("app.http") / "page"
NAMES = sorted(file.name for file in FILES.iterdir())
API = (Path(__file__).parents[4] / "docs" / "api.md").read_text()


def _text(name: str) -> str:
    return (FILES / name).read_text()


def test_all_that_it_needs_lies_beside_it(client: httpx.Client) -> None:
    found = sources(client.get("/").text)

    assert "docs" in found
    for source in found:
        assert not source.startswith(("/", "http"))
        assert client.get(urljoin("/", source)).status_code == httpx.codes.OK


def test_every_module_is_fetched_at_once(client: httpx.Client) -> None:
    modules = {f"page/{name}" for name in NAMES if name.endswith(".js")}

    assert modules <= set(sources(client.get("/").text))


@pytest.mark.parametrize("path", ["/", *(f"/page/{n}" for n in NAMES if n != "index.html")])
def test_the_browser_is_told_to_run_and_ask_nothing_else(client: httpx.Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == httpx.codes.OK
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Prefix"])
def test_nothing_of_the_request_is_in_it(client: httpx.Client, header: str) -> None:
    page = client.get("/?patient=JANE", headers={header: HOSTILE})

    assert page.text == client.get("/").text


@pytest.mark.parametrize("name", ["index.html", "page.py", "../main.py", "%2e%2e/main.py", ""])
def test_no_other_file_is_served(client: httpx.Client, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == httpx.codes.NOT_FOUND


def test_it_is_small() -> None:
    assert sum(len((FILES / name).read_bytes()) for name in NAMES) < BUDGET


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith(".js")])
def test_nothing_is_kept_and_nothing_is_parsed(name: str) -> None:
    code = _text(name)

    for word in (
        "Storage",
        "indexedDB",
        "caches",
        "cookie",
        "innerHTML",
        "eval(",
        "http:",
        "https:",
    ):
        assert word not in code


def test_the_markup_has_neither_script_nor_style_of_its_own() -> None:
    page = _text("index.html")

    assert not re.search(r"<style|style=|\son\w+=", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page) == [""]


def test_every_code_has_words() -> None:
    table = API.partition("| status | `code` |")[2].partition("\n\n")[0]
    problems = set(re.findall(r"`([a-z_]+)`", table)) - {"pneumoscope"}

    assert len(problems) > 20
    assert problems <= set(re.findall(r"^  ([a-z_]+): \"", _text("words.js"), re.MULTILINE))
    for code in (*Reason, *WarningCode):
        assert f"  {code}: " in _text("words.js")


def test_it_can_be_switched_off(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"page": False}))
    with serving(app) as client:
        wait_until_ready(client)
        for path in ("/", "/page/main.js"):
            assert client.get(path).json()["code"] == "not_found"
        assert client.get("/docs").status_code == httpx.codes.OK
