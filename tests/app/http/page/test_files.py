"""What is dropped, pasted or chosen, and what becomes of it."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests import synthetic
from tests.app.http.page.room import Room, deep

if TYPE_CHECKING:
    from playwright.sync_api import Route

CHEST = synthetic.chest(7, pneumonia=True)
PNG = synthetic.encode(CHEST)


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.png", PNG), ("x.jpeg", synthetic.encode(CHEST, ".jpeg")), ("IM0001", deep())],
)
def test_an_image_is_read(room: Room, name: str, data: bytes) -> None:
    expected = room.client.post("/predict", content=data).json()

    room.drop({name: data})

    answer = room.answer
    assert answer.startswith(f"{name}\nPNEUMONIA")
    probability = expected["probability"]
    told = "> 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"
    assert f"PNEUMONIA\n{told}\nCalibrated" in answer
    assert "Threshold 20.0 %" in answer
    assert "NORMAL is excluded" in answer
    assert "review was found, which is no diagnosis" in answer
    assert f"pneumonia, version 1\nEngine\nopenvino on {expected['model']['device']}" in answer
    assert f"{expected['input']['format']}, 560 \N{MULTIPLICATION SIGN} 480 pixels" in answer
    assert expected["input"]["sha256"] in answer
    assert room.page.locator("#live").inner_text().startswith(f"{name}: PNEUMONIA")
    assert room.pixels().any()


def test_a_normal_chest(room: Room) -> None:
    room.drop({"x.png": synthetic.encode(synthetic.chest(4))})

    assert "\nNORMAL" in room.answer
    assert "PNEUMONIA is excluded" in room.answer
    assert room.is_on("for-normal")


def test_an_answer_of_no_label_says_why(room: Room) -> None:
    room.drop({"x.png": synthetic.encode(synthetic.strange(3, pneumonia=True))})

    assert "INDETERMINATE" in room.answer
    assert "A person should read this image." in room.answer
    assert "Neither NORMAL nor PNEUMONIA can be excluded." in room.answer
    assert "The image is unlike those that the model learnt from.warning" in room.answer
    assert "A person should read" in room.page.locator("#live").inner_text()


def test_what_shows_no_lungs_has_no_answer_but_a_picture(room: Room) -> None:
    room.drop({"board.png": synthetic.encode(synthetic.checkerboard())})

    assert "No answer" in room.answer
    assert "No lungs were found, so there is no answer." in room.answer
    assert "not_a_chest_xray" in room.answer
    assert {0, 255} <= set(np.unique(room.pixels()[..., 0]))
    assert room.page.locator("[data-does=preset-lungs]").is_disabled()


@pytest.mark.parametrize(
    ("data", "words", "detail"),
    [
        (b"hello", "This is no image of a type", "The file is not a JPEG"),
        (PNG[:9000], "The image cannot be read.", "broken or truncated"),
        (deep(Modality="CT"), "The image cannot be read.", "no projection radiograph"),
        (b"", "The file is empty.", "The file is empty."),
        (PNG + bytes(2**21), "larger than the service takes", "larger than 2,097,152 bytes"),
    ],
)
def test_a_file_that_is_not_read_says_why(room: Room, data: bytes, words: str, detail: str) -> None:
    room.drop({"bad.dcm": data, "good.png": PNG})

    assert words in room.answer
    assert detail in room.answer
    assert room.page.locator("#nothing").inner_text() == "There is no picture to show."
    assert room.items.nth(1).inner_text().startswith("good.png\nPNEUMONIA")


def test_twenty_files(room: Room) -> None:
    files = {
        f"{seed}.png": synthetic.encode(
            synthetic.chest(seed, pneumonia=bool(seed % 2), size=(240, 280))
        )
        for seed in range(20)
    }

    room.drop(files)

    texts = room.items.all_inner_texts()
    assert [text.partition("\n")[0] for text in texts] == list(files)
    expected = ["PNEUMONIA" if seed % 2 else "NORMAL" for seed in range(20)]
    assert [text.split("\n")[1].partition(",")[0] for text in texts] == expected
    assert room.page.locator("#summary").inner_text().startswith("20 images")
    drawn = "(canvases) => canvases.every(({ width }) => width === 160)"
    assert room.page.locator("#list canvas").evaluate_all(drawn)
    room.page.get_by_text("13.png").click()
    assert room.answer.startswith("13.png\nPNEUMONIA")


def test_a_picture_is_pasted_and_a_file_chosen(room: Room) -> None:
    room.paste({"image.png": PNG})
    room.choose({"two.dcm": deep()})

    assert room.items.count() == 2
    assert room.answer.startswith("two.dcm\nPNEUMONIA")


def test_images_are_forgotten(room: Room) -> None:
    room.drop({"one.png": PNG, "two.png": PNG, "three.png": PNG})

    room.page.get_by_label("Remove one.png").click()
    assert room.answer.startswith("two.png")
    room.press("Delete")
    assert room.answer.startswith("three.png")
    room.page.get_by_role("button", name="Clear").click()

    assert not room.items.count()
    assert room.page.locator("#drop").is_visible()
    assert not room.page.locator("#answer").is_visible()


def test_a_full_service_is_asked_again(room: Room) -> None:
    refused: list[str] = []

    def answer(route: "Route") -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        problem = {"code": "busy", "detail": "", "status": 503}
        route.fulfill(status=503, headers={"Retry-After": "0"}, json=problem)

    room.page.route("**/explain*", answer)
    room.drop({"x.png": PNG})

    assert refused
    assert "PNEUMONIA" in room.answer


def test_a_service_that_is_gone_can_be_tried_again(room: Room) -> None:
    room.page.context.set_offline(True)
    room.drop({"x.png": PNG})
    assert "The service did not answer" in room.answer

    room.page.context.set_offline(False)
    room.page.get_by_role("button", name="Try again").click()
    room.wait(1)

    assert "PNEUMONIA" in room.answer
    assert room.pixels().any()


def test_how_far_it_is_is_told(room: Room) -> None:
    states: list[str] = []
    # Playwright sets an attribute of what it is given.
    room.page.expose_function("told", lambda state: states.append(state))  # noqa: PLW0108
    room.page.evaluate(
        """() => new MutationObserver(() => {
          const item = document.querySelector("#list li");
          if (item?.dataset.state) window.told(item.dataset.state);
        }).observe(document.getElementById("list"), { subtree: true, attributes: true })"""
    )
    room.drop({"x.dcm": deep()})

    order = list(dict.fromkeys(states))
    assert order[0] == "sending"
    assert order[-1] == "read"
