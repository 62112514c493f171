"""Nothing is kept, nothing is asked of anybody else, and no path or proxy is in the way."""

from pathlib import Path

from app.main import create_app
from app.settings import Settings
from tests import synthetic
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.page.conftest import Open
from tests.app.http.page.room import Room, deep
from tests.app.nginx import nginx

PNG = synthetic.encode(synthetic.chest(7, pneumonia=True))
BUDGET_MS = 500


def test_nothing_is_kept(room: Room) -> None:
    room.drop({"x.dcm": deep(), "y.png": PNG})
    room.press("c", "t")

    kept = room.page.evaluate(
        """async () => [
          document.cookie, localStorage.length, sessionStorage.length,
          (await indexedDB.databases()).length,
          (await navigator.serviceWorker?.getRegistrations() ?? []).length,
        ]"""
    )
    assert kept == ["", 0, 0, 0, 0]
    assert room.page.context.cookies() == []
    room.page.reload()
    assert not room.items.count()


def test_no_other_server_can_be_asked(room: Room) -> None:
    """The browser itself forbids it, whatever script would run."""
    forbidden = room.page.evaluate(
        """async () => {
          const told = [];
          const note = ({ effectiveDirective }) => told.push(effectiveDirective);
          addEventListener("securitypolicyviolation", note);
          await fetch("http://127.0.0.1:9/").catch(() => {});
          new Image().src = "http://127.0.0.1:9/x.png";
          try { document.body.innerHTML = "<b>x</b>" } catch { told.push("innerHTML") }
          await new Promise((go) => setTimeout(go, 50));
          return told;
        }"""
    )
    room.forgive()

    assert {"connect-src", "img-src", "innerHTML"} <= set(forbidden)


def test_what_a_file_is_called_is_text(room: Room) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    room.drop({name: PNG})

    assert room.answer.startswith(name)
    assert not room.page.locator("main img").count()


def test_behind_a_proxy_with_tls_and_under_a_path(
    opened: Open, settings: Settings, tmp_path: Path
) -> None:
    app = create_app(settings.model_copy(update={"root_path": "/xray"}))
    with serving(app) as service:
        wait_until_ready(service)
        with nginx(tmp_path, service.base_url.netloc.decode()) as proxy:
            for place in ("/", "/stripped/", "/xray/"):
                address = f"{str(proxy.base_url).rstrip('/')}{place}"
                room = opened(address, ignore_https_errors=True)
                room.drop({"x.dcm": deep()})

                assert "PNEUMONIA" in room.answer
                assert room.pixels().any()
            room.page.get_by_role("link", name="API").click()
            room.page.locator("#swagger-ui").wait_for()
            assert room.page.url == f"{address}docs"


def test_it_is_painted_at_once(room: Room) -> None:
    painted = []
    for _ in range(5):
        room.page.reload()
        room.settle()
        script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        painted.append(room.page.evaluate(script))

    assert min(painted) < BUDGET_MS
