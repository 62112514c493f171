"""The two images that every contestant is sent, and the HTTP body that carries one."""

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from app.imaging.decode import MODEL_SIDE
from benchmarks.errors import BenchmarkError
from training.data.phantoms import chest

ORIGINALS = "CHEST_XRAY_ORIGINALS"

_BOUNDARY = "pneumoscope-benchmark-7d1f2c9ab04e"
CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"

_PIXELS = 2_000_000
# Height and width of the drawing; its grain makes a JPEG of some 0.3 MB, as real ones are.
_DRAWN = (1250, 1700)
_QUALITY = 90


@dataclass(frozen=True)
class Upload:
    """A JPEG, as a client would send it.

    Attributes:
        name: `small` or `original`.
        source: what it shows.
        jpeg: the file's bytes.
        size: width and height, in pixels.
    """

    name: str
    source: str
    jpeg: bytes
    size: tuple[int, int]

    @property
    def description(self) -> str:
        width, height = self.size
        return f"{self.source}, {width} x {height}, {len(self.jpeg) / 1000:.0f} kB"

    @property
    def body(self) -> bytes:
        """The multipart form with the image in the field `file`, for `CONTENT_TYPE`."""
        head = (
            f"--{_BOUNDARY}\r\n"
            'Content-Disposition: form-data; name="file"; filename="xray.jpeg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        return head.encode() + self.jpeg + f"\r\n--{_BOUNDARY}--\r\n".encode()


def uploads() -> list[Upload]:
    """An image of 224 x 224 pixels, and the one of about 2 megapixels that it was made of.

    The large one is the real X-ray nearest to that size in the folder that `CHEST_XRAY_ORIGINALS`
    names, as it is, and a drawing where the variable is unset.

    Raises:
        BenchmarkError: the folder has no JPEG.
    """
    folder = os.environ.get(ORIGINALS)
    if folder:
        source, jpeg = "a real X-ray", _nearest(Path(folder)).read_bytes()
    else:
        drawing = Image.fromarray(chest(7, pneumonia=True, size=_DRAWN))
        source, jpeg = "a drawn X-ray", _encode(drawing)
    with Image.open(BytesIO(jpeg)) as image:
        size = image.size
        side = (MODEL_SIDE, MODEL_SIDE)
        small = _encode(image.convert("L").resize(side, Image.Resampling.BILINEAR))
    return [Upload("small", source, small, side), Upload("original", source, jpeg, size)]


def _nearest(folder: Path) -> Path:
    """The JPEG whose number of pixels is nearest to 2 million."""
    paths = sorted(folder.rglob("*.jpeg")) + sorted(folder.rglob("*.jpg"))
    if not paths:
        raise BenchmarkError(f"{ORIGINALS} names {folder}, in which there is no JPEG.")
    return min(paths, key=_distance)


def _distance(path: Path) -> int:
    with Image.open(path) as image:
        return abs(image.width * image.height - _PIXELS)


def _encode(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
