"""The service behind a real nginx: TLS, and under a path, which nginx takes off or leaves."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from app.http.protocol import refusing
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.routes.test_docs import HOSTILE, sources
from tests.app.nginx import nginx


@pytest.fixture(scope="module")
def proxy(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    app = create_app(settings.model_copy(update={"root_path": "/xray"}))
    folder: Path = tmp_path_factory.mktemp("nginx")
    with serving(app, refusing(app)) as client:
        wait_until_ready(client)
        with nginx(folder, client.base_url.netloc.decode()) as proxy:
            yield proxy


PLACES = pytest.mark.parametrize("place", ["", "/stripped", "/xray"])


@PLACES
@pytest.mark.parametrize("page", ["/docs", "/"])
def test_the_page_finds_all_that_it_needs(proxy: httpx.Client, place: str, page: str) -> None:
    here = f"{str(proxy.base_url).rstrip('/')}{place}"
    found = sources(proxy.get(f"{here}{page}").text)

    assert len(found) >= 4
    for source in found:
        address = urljoin(f"{here}{page}", source)
        assert address.startswith(f"{here}/")
        assert proxy.get(address).status_code == httpx.codes.OK


@PLACES
def test_what_the_description_says_can_be_asked(
    proxy: httpx.Client, place: str, xray: bytes
) -> None:
    description = proxy.get(f"{place}/openapi.json")
    (server,) = description.json()["servers"]
    base = urljoin(str(description.url), server["url"]).rstrip("/")

    answer = proxy.post(f"{base}/predict", files={"file": xray})

    assert answer.status_code == httpx.codes.OK
    assert answer.json()["label"] == "PNEUMONIA"


def test_a_foreign_host_gets_nowhere(proxy: httpx.Client) -> None:
    page = proxy.get("/xray/docs", headers={"Host": "evil.example", "X-Forwarded-Host": HOSTILE})

    assert page.text == proxy.get("/xray/docs").text
    assert not re.search("evil|https?://", page.text)


@pytest.mark.parametrize(
    ("content_type", "megabytes", "status"),
    [("image/png", 3, 413), ("text/plain", 1, 415), ("image/png", 1, 415)],
)
def test_a_refusal_before_the_body_arrives(
    proxy: httpx.Client, content_type: str, megabytes: int, status: int
) -> None:
    body = bytes(megabytes * 2**20)
    for _ in range(5):
        answer = proxy.post("/predict", content=body, headers={"Content-Type": content_type})

        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


@PLACES
def test_nobody_is_sent_out_of_the_prefix(proxy: httpx.Client, place: str, xray: bytes) -> None:
    answer = proxy.post(f"{place}/predict/?patient=JANE", files={"file": xray})

    assert answer.status_code == httpx.codes.NOT_FOUND
    assert "location" not in answer.headers
