"""For everybody: WCAG 2.2 as far as axe can tell, screen readers, any screen."""

from typing import Any

import pytest

from tests import synthetic
from tests.app.http.page.conftest import Open
from tests.app.http.page.room import Room, deep

PNG = synthetic.encode(synthetic.chest(7, pneumonia=True, size=(240, 280)))
PHONE = {"width": 390, "height": 844}
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(room: Room) -> list[str]:
    """What axe finds, each with the first element that it is about."""
    axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(room.page, options={"runOnly": STANDARDS})
    return [
        f"{one['impact']}: {one['id']}: {one['nodes'][0]['html']}"
        for one in found.response["violations"]
    ]


def test_axe_finds_nothing(room: Room) -> None:
    assert violations(room) == []

    strange = synthetic.encode(synthetic.strange(3, pneumonia=True))
    room.drop({"x.dcm": deep(), "strange.png": strange, "bad.png": b"hello"})
    room.press("s")
    assert violations(room) == []
    room.page.emulate_media(color_scheme="light")
    room.press("j")
    assert violations(room) == []
    room.press("j", "?")
    assert violations(room) == []


def test_axe_finds_nothing_on_a_phone(opened: Open) -> None:
    room = opened(viewport=PHONE, is_mobile=True, has_touch=True)
    room.drop({"x.dcm": deep()})

    assert violations(room) == []


def test_nothing_is_cut_off(room: Room) -> None:
    room.drop({"a-rather-long-name-of-an-image-as-archives-have-them.png": PNG, "b.dcm": deep()})
    for width in (320, 390, 820, 1100, 1440, 3840):
        room.page.set_viewport_size({"width": width, "height": 800})
        room.press("s", "j" if width % 100 else "k")

        assert room.page.evaluate("document.documentElement.scrollWidth") <= width
        assert room.page.get_by_text("For research use only.").first.is_visible()
        beyond = room.page.evaluate(
            """() => [...document.querySelectorAll("main button, main input, main p, dd, header *")]
              .filter((element) => element.checkVisibility() && !element.closest("#list"))
              .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
              .map(({ outerHTML }) => outerHTML)"""
        )
        assert beyond == []


def test_for_research_use_only_stays_in_sight(opened: Open) -> None:
    room = opened(viewport=PHONE)
    room.drop({"x.png": PNG})
    room.page.get_by_text("Take along").scroll_into_view_if_needed()

    box = room.page.get_by_text("For research use only.").first.bounding_box()
    assert box
    assert 0 <= box["y"] < PHONE["height"]


def test_answers_and_problems_are_announced(room: Room) -> None:
    live = room.page.locator("#live")
    assert live.get_attribute("aria-live") == "polite"
    room.drop({"x.png": PNG})
    assert live.inner_text().startswith("x.png: PNEUMONIA, ")
    room.drop({"y.png": b"hello"})
    assert live.inner_text().startswith("y.png: This is no image")

    meter = room.page.get_by_role("meter")
    room.press("k")
    assert 0.2 < float(meter.get_attribute("aria-valuenow") or 0) <= 1
    assert "threshold 20.0" in (meter.get_attribute("aria-valuetext") or "")


def test_light_and_dark(opened: Open) -> None:
    def ground(room: Room) -> int:
        script = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g)[0]"
        return int(room.page.evaluate(script))

    dark, light = opened(), opened(color_scheme="light")
    assert ground(dark) < 40
    assert ground(light) > 200
    dark.press("c")
    light.press("c")
    assert ground(dark) > 200
    assert ground(light) < 40


def test_nothing_moves_where_that_is_asked(opened: Open) -> None:
    script = "getComputedStyle(document.querySelector('button')).transitionDuration"

    assert opened(reduced_motion="reduce").page.evaluate(script) == "0s"
    assert opened(reduced_motion="no-preference").page.evaluate(script) != "0s"


def test_two_fingers_zoom(opened: Open) -> None:
    room = opened(viewport=PHONE, is_mobile=True, has_touch=True)
    room.drop({"x.png": PNG})
    before = room.pixels()
    room.page.locator("#laid canvas").evaluate(
        """(canvas) => {
          const { left, top, width, height } = canvas.getBoundingClientRect();
          canvas.setPointerCapture = () => {};
          const clientY = top + height / 2;
          const touch = (type, pointerId, x) => canvas.dispatchEvent(
            new PointerEvent(type, { pointerId, clientX: left + width * x, clientY })
          );
          touch("pointerdown", 1, 0.4);
          touch("pointerdown", 2, 0.6);
          touch("pointermove", 1, 0.2);
          touch("pointermove", 2, 0.8);
          touch("pointerup", 1, 0.2);
          touch("pointerup", 2, 0.8);
        }"""
    )
    room.settle()

    assert (room.pixels() != before).any()
    # Three times as far apart: the picture is beyond both edges.
    assert room.pixels()[:, [0, -1], 3].any()
