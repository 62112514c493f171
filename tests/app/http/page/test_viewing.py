"""The picture: its window on all of its grays, and what is laid over it."""

import numpy as np
import numpy.typing as npt
import pytest

from tests import synthetic
from tests.app.http.page.room import Room, deep

PNG = synthetic.encode(synthetic.chest(7, pneumonia=True))
WIDTH, HEIGHT = 560, 480


def colourful(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where there is a colour."""
    channels = pixels[..., :3].astype(int)
    spread: npt.NDArray[np.bool_] = channels.max(axis=-1) - channels.min(axis=-1) > 4
    return spread


def extent(pixels: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is drawn."""
    rows, columns = np.nonzero(pixels[..., 3])
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.fixture
def reading(room: Room) -> Room:
    """A room in which a chest of 12 bits was read."""
    room.drop({"x.dcm": deep()})
    return room


def test_it_has_its_own_aspect_and_its_own_pixels(room: Room) -> None:
    room.drop({"x.png": PNG})
    room.press("m", "l")

    pixels = room.pixels()
    left, top, right, bottom = extent(pixels)
    assert (right - left) / (bottom - top) == pytest.approx(WIDTH / HEIGHT, abs=0.01)
    assert not colourful(pixels).any()
    middle = pixels[(top + bottom) // 2, left:right, 0].astype(float)
    drawn = synthetic.chest(7, pneumonia=True)[HEIGHT // 2].astype(float)
    across = np.interp(np.linspace(0, 1, right - left), np.linspace(0, 1, WIDTH), drawn)
    assert np.abs(middle - across).mean() < 4


def test_the_slider_changes_the_map_and_nothing_else(reading: Room) -> None:
    reading.press("l")
    found = {}
    for opacity in (0, 40, 100):
        reading.slide("opacity", opacity)
        found[opacity] = reading.pixels()

    assert not colourful(found[0]).any()
    coloured = colourful(found[100])
    assert 0.0005 < coloured.mean() < 0.2
    differs = (found[0] != found[100]).any(axis=-1)
    assert (found[40][~differs] == found[0][~differs]).all()
    faint, strong = (np.abs(found[o].astype(int) - found[0]).sum() for o in (40, 100))
    assert faint == pytest.approx(0.4 * strong, rel=0.1)


def test_the_map_lies_where_the_service_lays_it(reading: Room) -> None:
    answer = reading.client.post("/explain", params={"maps": True}, content=deep()).json()
    cam = np.array(answer["maps"]["cam"])
    reading.press("l")
    reading.slide("opacity", 100)
    with_map = reading.pixels()
    reading.press("m")
    without = reading.pixels()

    left, top, right, bottom = extent(without)
    changed = (with_map != without).any(axis=-1)
    rows, columns = np.nonzero(changed)
    peak = np.unravel_index(cam.argmax(), cam.shape)
    for share, place, low, high in (
        ((peak[0] + 0.5) / len(cam), rows, top, bottom),
        ((peak[1] + 0.5) / len(cam), columns, left, right),
    ):
        assert np.abs(low + share * (high - low) - place).min() < 2
    assert changed[top:bottom, left:right].mean() == pytest.approx(
        (cam > 0.2 * np.abs(cam).max()).mean(), rel=0.35
    )


def test_the_evidence_for_either_label(reading: Room) -> None:
    for target, key in (("pneumonia", None), ("normal", "t")):
        if key:
            reading.press(key)
        params = {"target": target}
        told = reading.client.post("/explain", params=params, content=deep()).json()
        sentence = f"{100 * told['evidence_in_lungs']:.1f} % of what argues for {target.upper()}"
        reading.page.get_by_text(sentence.replace(" %", "\xa0%")).wait_for()
        assert reading.is_on(f"for-{target}")


def test_the_outline_of_the_lungs(reading: Room) -> None:
    reading.press("m")
    with_outline = reading.pixels()
    box = reading.client.post("/predict", content=deep()).json()["lungs"]["box"]

    left, top, right, bottom = extent(with_outline)
    rows, columns = np.nonzero(colourful(with_outline))
    found = (
        (columns.min() - left) / (right - left),
        (rows.min() - top) / (bottom - top),
        (columns.max() + 1 - left) / (right - left),
        (rows.max() + 1 - top) / (bottom - top),
    )
    assert found == pytest.approx(box, abs=0.02)
    reading.press("l")
    assert not colourful(reading.pixels()).any()


def test_side_by_side_the_plain_image_has_no_layers(reading: Room) -> None:
    reading.press("s")

    plain, laid = reading.pixels("plain"), reading.pixels("laid")
    assert plain.shape == laid.shape
    assert not colourful(plain).any()
    assert colourful(laid).any()
    reading.press("m", "l")
    np.testing.assert_array_equal(reading.pixels("laid"), plain)


def test_a_narrow_window_shows_more_than_8_bits_have(reading: Room) -> None:
    """Of a window as wide as 20 of 256 grays, 8 bits would leave 20."""
    reading.press("m", "l", "2")
    full_level, full_width = reading.window
    reading.slide("level", 450)
    reading.slide("width", 600)
    level, width = reading.window

    assert width < full_width * 20 / 256
    assert level < full_level
    grays = np.unique(reading.pixels()[..., 0])
    assert len(grays) > 150


def test_presets(reading: Room) -> None:
    reading.press("m", "l")
    # 2000 and 3600 of the linear function, which has its middle half a value lower.
    assert reading.window == pytest.approx((2000, 3599), abs=1)
    seen = {}
    for key, name in (("1", "sent"), ("2", "full"), ("3", "lungs"), ("4", "mediastinum")):
        reading.press(key)
        assert reading.is_on(f"preset-{name}")
        seen[name] = reading.window, reading.pixels()[..., 0].astype(float)

    assert len({window for window, _ in seen.values()}) == 4
    chest = synthetic.chest(7, pneumonia=True)
    assert seen["full"][0][1] == pytest.approx((int(chest.max()) - int(chest.min())) * 14, abs=14)
    # The lungs are dark: a window to them is lower, and shows more of them.
    assert seen["lungs"][0][0] < seen["mediastinum"][0][0]
    assert seen["lungs"][0][1] < seen["full"][0][1]


def test_inverted(reading: Room) -> None:
    reading.press("m", "l")
    plain = reading.pixels()
    reading.press("i")
    inverted = reading.pixels()

    inside = plain[..., 3] == 255
    total = plain[inside][:, :3].astype(int) + inverted[inside][:, :3]
    assert np.abs(total - 255).max() <= 2


def test_dragging_sets_the_window_or_pans(reading: Room) -> None:
    box = reading.page.locator("#laid canvas").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(right: float, down: float) -> None:
        reading.page.mouse.move(x, y)
        reading.page.mouse.down()
        reading.page.mouse.move(x + right, y + down)
        reading.page.mouse.up()
        reading.settle()

    level, width = reading.window
    drag(60, 0)
    assert reading.window == pytest.approx((level, width * np.exp(0.2)), abs=2)
    drag(-60, -30)
    assert reading.window == pytest.approx((level - 0.1 * width, width), abs=0.03 * width)

    reading.press("m", "l", "d")
    before, window = extent(reading.pixels()), reading.window
    drag(50, 20)
    after = extent(reading.pixels())
    assert reading.window == window
    assert after[0] - before[0] == pytest.approx(50, abs=2)
    assert after[1] - before[1] == pytest.approx(20, abs=2)


def test_the_wheel_zooms_where_it_is_turned(reading: Room) -> None:
    reading.press("m", "l")
    canvas = reading.page.locator("#laid canvas")
    box = canvas.bounding_box()
    assert box
    left, top, right, bottom = extent(reading.pixels())
    # A place in the image, a quarter from its left side, near its upper edge.
    x, y = left + (right - left) / 4, top + 8
    reading.page.mouse.move(box["x"] + x, box["y"] + y)
    value = reading.page.locator("#readout").inner_text()
    assert value.startswith("Value ")
    reading.page.mouse.wheel(0, -100)
    reading.settle()
    reading.page.mouse.move(box["x"] + x, box["y"] + y)

    assert extent(reading.pixels())[1] == pytest.approx(y - 1.25 * (y - top), abs=2)
    again = float(reading.page.locator("#readout").inner_text().split()[1])
    assert again == pytest.approx(float(value.split()[1]), abs=200)
    reading.press("f")
    assert extent(reading.pixels()) == (left, top, right, bottom)


def test_the_view_starts_anew_with_each_image(reading: Room) -> None:
    reading.press("+", "+", "4")
    reading.drop({"y.png": PNG})

    assert reading.window == pytest.approx((127.5, 255), abs=1)
    assert reading.is_on("preset-sent")


def test_monochrome1_is_seen_as_it_is_meant(room: Room) -> None:
    room.drop({"x.dcm": deep(), "y.dcm": deep(PhotometricInterpretation="MONOCHROME1")})
    room.press("m", "l")
    plain = room.pixels()[..., 0].astype(int)
    room.press("j")
    inverse = room.pixels()[..., 0].astype(int)

    inside = room.pixels()[..., 3] == 255
    assert np.abs(plain[inside] + inverse[inside] - 255).max() <= 2
