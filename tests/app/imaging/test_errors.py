from typing import Any

import pytest

from app.errors import UnreadableImageError, UnsupportedFormatError
from app.imaging.decode import decode
from app.imaging.errors import blaming_the_image
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from tests.app.imaging.files import encoded

CHEST = synthetic.chest(size=(80, 96))


def test_what_a_library_raises_is_the_image() -> None:
    with (
        pytest.raises(UnreadableImageError, match=r"^It is broken\.$"),
        blaming_the_image("It is broken."),
    ):
        raise KeyError("Doe")


@pytest.mark.parametrize("error", [UnsupportedFormatError, MemoryError, ImportError])
def test_what_is_told_already_stays(error: type[Exception]) -> None:
    with pytest.raises(error), blaming_the_image("It is broken."):
        raise error


@pytest.mark.parametrize(
    "words", ["out of memory error when reading image file", "Insufficient memory (case 4)"]
)
def test_a_decoder_tells_of_a_shortage_in_words(words: str) -> None:
    with pytest.raises(MemoryError), blaming_the_image("It is broken."):
        raise OSError(words)


@pytest.mark.parametrize("shortage", [MemoryError, ImportError])
@pytest.mark.parametrize("kind", ["PNG", "DICOM"])
def test_a_shortage_is_not_the_image(
    kind: str, shortage: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise shortage

    if kind == "PNG":
        data = encoded(CHEST, "PNG")
        monkeypatch.setattr("app.imaging.decode.Image.open", fail)
    else:
        data = dicom(CHEST)
        monkeypatch.setattr("app.imaging.dicom.read.decode_frame", fail)
    with pytest.raises(shortage):
        decode(data)
