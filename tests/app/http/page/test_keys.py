"""Everything by key, and the sheet of keys."""

import re

import numpy as np
import pytest

from tests import synthetic
from tests.app.http.page.room import Room, deep

PNG = synthetic.encode(synthetic.chest(7, pneumonia=True, size=(240, 280)))


@pytest.fixture
def reading(room: Room) -> Room:
    """A room in which a chest of 12 bits was read."""
    room.drop({"x.dcm": deep()})
    return room


def test_from_image_to_image(room: Room) -> None:
    room.drop({"a.png": PNG, "b.png": PNG, "c.png": PNG})
    named = []
    for key in ("j", "j", "j", "k", "Delete", "Delete", "Delete"):
        named.append(room.answer.partition("\n")[0])
        room.press(key)

    assert named == ["a.png", "b.png", "c.png", "c.png", "b.png", "c.png", "a.png"]
    assert room.page.locator("#drop").is_visible()


def test_toggles(reading: Room) -> None:
    toggles = {"i": "invert", "s": "beside", "m": "map", "l": "lungs", "d": "drag-pan"}
    for key, does in toggles.items():
        before = reading.is_on(does)
        reading.press(key)
        assert reading.is_on(does) != before
        reading.press(key.upper())
        assert reading.is_on(does) == before


def test_the_rest_of_the_view(reading: Room) -> None:
    reading.press("t")
    assert reading.is_on("for-normal")
    opacity = reading.page.locator("#opacity")
    reading.press(",", ",")
    assert opacity.input_value() == "35"
    reading.press(".")
    assert opacity.input_value() == "45"

    reading.press("m", "l")
    whole = reading.pixels()
    reading.press("+")
    closer = reading.pixels()
    assert (closer != whole).any()
    # Arrows act on the picture only, which has the focus then.
    reading.press("ArrowRight")
    np.testing.assert_array_equal(reading.pixels(), closer)
    reading.page.locator("#laid canvas").focus()
    reading.press("ArrowRight")
    assert (reading.pixels() != closer).any()
    reading.press("ArrowLeft")
    np.testing.assert_array_equal(reading.pixels(), closer)
    reading.press("-")
    np.testing.assert_array_equal(reading.pixels(), whole)

    level, width = reading.window
    reading.press("Shift+ArrowUp", "Shift+ArrowRight")
    assert reading.window[0] < level
    assert reading.window[1] > width
    reading.press("Shift+ArrowDown", "Shift+ArrowLeft", "1")
    assert reading.window == (level, width)


def test_the_answer_gets_the_focus(reading: Room) -> None:
    reading.press("a")

    assert reading.page.evaluate("document.activeElement.id") == "answer"


def test_the_sheet_names_every_key_and_closes(room: Room) -> None:
    room.press("?")
    sheet = room.page.locator("#sheet")
    assert sheet.is_visible()

    text = sheet.inner_text()
    for words in ("choose files", "next image", "invert", "outline of the lungs", "light or dark"):
        assert words in text
    assert sheet.locator("kbd").count() > 30
    room.press("i")
    assert not room.is_on("invert")
    room.press("Escape")
    assert not sheet.is_visible()


def test_single_keys_can_be_switched_off(room: Room) -> None:
    room.press("?")
    room.page.get_by_label("Single keys act").uncheck()
    room.press("Escape", "i", "s")
    assert not room.is_on("invert")
    assert not room.is_on("beside")

    room.press("?")
    assert room.page.locator("#sheet").is_visible()


def test_keys_of_the_browser_are_its_own(room: Room) -> None:
    room.press("Control+i", "Alt+i")

    assert not room.is_on("invert")


def test_all_can_be_reached_by_tab_and_what_has_the_focus_is_seen(reading: Room) -> None:
    reached = set()
    for _ in range(60):
        reading.page.keyboard.press("Tab")
        name, outline = reading.page.evaluate(
            """() => {
              const { id, localName, dataset } = document.activeElement;
              const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
              return [dataset.does ?? (id || localName), `${outlineStyle} ${outlineWidth}`];
            }"""
        )
        reached.add(name)
        if name != "body":
            assert re.fullmatch(r"(solid|auto) [1-9][\d.]*px", outline), name

    assert reached >= {"choose", "sheet", "theme", "clear", "fit", "invert", "canvas", "level"}
    assert reached >= {"width", "opacity", "map", "for-normal", "print", "save-json", "save-png"}


def test_each_button_names_its_key(reading: Room) -> None:
    assert reading.page.locator("[data-does=invert]").get_attribute("title") == "Invert (I)"
    for does in ("save-json", "map", "fit", "preset-lungs"):
        assert reading.page.locator(f"[data-does={does}]").get_attribute("aria-keyshortcuts")
