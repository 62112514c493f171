"""The page in a browser, as a person uses it."""

import base64
import re
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np
import numpy.typing as npt

from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator, Page

Files = dict[str, bytes]

_TRANSFER = """
([type, event, files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0))], name));
  }
  const init = { bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer };
  document.body.dispatchEvent(new window[type](event, init));
}
"""
_TWO_FRAMES = """
() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => go())))
"""


class Room:
    """One page, and what is done on it."""

    def __init__(self, page: "Page", client: httpx.Client) -> None:
        self.page, self.client = page, client
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self.wrong.append(said.text))
        # Or the browser would be told to hand its dialog over only when a key may have opened it.
        page.on("filechooser", lambda _: None)

    def forgive(self) -> None:
        """Forget what went wrong, where it was meant to."""
        self.wrong.clear()

    def drop(self, files: Files) -> None:
        """Drop files on the page, and wait until there is an answer or a problem for each."""
        before = self.items.count()
        self.page.evaluate(_TRANSFER, ["DragEvent", "dragover", _encoded(files)])
        self.page.evaluate(_TRANSFER, ["DragEvent", "drop", _encoded(files)])
        self.wait(before + len(files))

    def paste(self, files: Files) -> None:
        """Paste files, and wait likewise."""
        before = self.items.count()
        self.page.evaluate(_TRANSFER, ["ClipboardEvent", "paste", _encoded(files)])
        self.wait(before + len(files))

    def choose(self, files: Files) -> None:
        """Choose files in the dialog, and wait likewise."""
        before = self.items.count()
        payloads: list[FilePayload] = [
            {"name": name, "mimeType": "", "buffer": data} for name, data in files.items()
        ]
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("o")
        chooser.value.set_files(payloads)
        self.wait(before + len(files))

    def wait(self, count: int) -> None:
        """Wait until so many images are done with, and the picture of the chosen one is there."""
        undone = "li:not([data-state=read], [data-state=refused])"
        for place in (
            f"#list:has(li:nth-child({count})):not(:has({undone}))",
            "#nothing:not(:has-text('Loading'))",
        ):
            self.page.locator(place).wait_for(state="attached")
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.evaluate(_TWO_FRAMES)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def slide(self, name: str, value: float) -> None:
        """Move a slider."""
        self.page.locator(f"#{name}").fill(str(value))
        self.settle()

    def pixels(self, pane: str = "laid") -> npt.NDArray[np.uint8]:
        """What a canvas shows, uint8 `[height, width, 4]`, in OpenCV's order."""
        address = self.page.locator(f"#{pane} canvas").evaluate("(canvas) => canvas.toDataURL()")
        data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
        found: npt.NDArray[np.uint8] | None = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert found is not None
        return found

    def is_on(self, does: str) -> bool:
        """Whether a toggle is pressed."""
        button = self.page.locator(f"[data-does={does}]").first
        return button.get_attribute("aria-pressed") == "true"

    @property
    def items(self) -> "Locator":
        return self.page.locator("#list li")

    @property
    def answer(self) -> str:
        """The text of the answer, without its empty lines."""
        text = self.page.locator("#answer").inner_text().replace("\xa0", " ")
        return re.sub("\n+", "\n", text)

    @property
    def window(self) -> tuple[float, float]:
        """Level and width, as they are told."""
        texts = (self.page.locator(f"#{name}-value").inner_text() for name in ("level", "width"))
        level, width = map(float, texts)
        return level, width


def deep(seed: int = 7, **elements: Any) -> bytes:
    """A DICOM file of a drawn chest with pneumonia of 12 bits, of which each value occurs."""
    chest = synthetic.chest(seed, pneumonia=True)
    grain = np.random.default_rng(seed).integers(0, 14, chest.shape)
    pixels = (chest.astype(np.uint16) * 14 + 300 + grain).astype(np.uint16)
    known: dict[str, Any] = {
        "BitsStored": 12,
        "HighBit": 11,
        "WindowCenter": 2000,
        "WindowWidth": 3600,
    }
    return dicom(pixels, **(known | elements))


def _encoded(files: Files) -> list[tuple[str, str]]:
    return [(name, base64.b64encode(data).decode()) for name, data in files.items()]
