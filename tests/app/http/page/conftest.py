"""The service, and Debian's Chromium that opens its page."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.http.protocol import refusing
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.page.room import Room

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

# Small, so that there is less to draw.
LAPTOP = {"width": 1100, "height": 700}
Open = Callable[..., Room]


# Not of the session: while it is open, nothing else in the thread can run an event loop.
@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    """Chromium without a window; the test is skipped where it is not installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Debian's package chromium is not installed")
    with playwright.sync_playwright() as found:
        # The sandbox does not start for root, as whom containers run tests.
        browser = found.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def service(settings: Settings) -> Iterator[httpx.Client]:
    """A client of the service whose page is opened."""
    app = create_app(settings)
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture
def opened(browser: "Browser", service: httpx.Client) -> Iterator[Open]:
    """Open the page at an address, the service's own by default.

    After the test, nothing was asked of another host, no script failed, and nothing that the page
    does was forbidden by its own policy.
    """
    here = f"{str(service.base_url).rstrip('/')}/"
    asked: list[Request] = []
    hosts: list[str] = []
    rooms: list[Room] = []
    with ExitStack() as stack:

        def open_page(address: str = here, **options: Any) -> Room:
            context = browser.new_context(**{"viewport": LAPTOP, "color_scheme": "dark"} | options)
            stack.callback(context.close)
            context.on("request", lambda request: asked.append(request))  # noqa: PLW0108
            page = context.new_page()
            page.set_default_timeout(30_000)
            room = Room(page, service)
            page.goto(address)
            hosts.append(address)
            rooms.append(room)
            return room

        yield open_page
    assert asked
    # What the policy forbids is not sent.
    sent = [request.url for request in asked if request.failure != "csp"]
    assert [url for url in sent if not url.startswith((*hosts, "blob:"))] == []
    # Refusals, which the browser tells too, are answers.
    told = [text for room in rooms for text in room.wrong]
    assert [text for text in told if not text.startswith("Failed to load resource")] == []


@pytest.fixture
def room(opened: Open) -> Room:
    """The page, open on a laptop in the dark."""
    return opened()
