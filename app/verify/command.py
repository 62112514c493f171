"""What `pneumoscope verify` does."""

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from app.errors import ImageError, VerifyError
from app.imaging.formats import is_dicom
from app.reading.reader import Reader
from app.verify.check import Check, answer, origin
from app.verify.report import read_report


async def verify(reader: Reader, report: Path, image: Path) -> list[Check]:
    """Compute anew what a report says of an image.

    Args:
        reader: of the installed model, which answers images without lungs too.
        report: a Structured Report, a JSON answer, or a table of `pneumoscope archive`.
        image: the file that it is about.

    Returns:
        Of the image, the model and the site profile; and of the answer where these are the
        report's.

    Raises:
        VerifyError: the report or the image cannot be read.
        ArchiveError: the table is none.
        NotReadyError: the model failed its warm-up.
    """
    try:
        data = image.read_bytes()
    except OSError as error:
        raise VerifyError(f"{image} cannot be read: {error.strerror}.") from error
    names = tuple(_names(data))
    said = read_report(report, names[0])
    checks = origin(said, names, reader.model)
    if not all(check.holds for check in checks):
        return checks
    async with reader.running():
        await reader.ready()
        try:
            reading = await reader.read(data)
        except ImageError as error:
            raise VerifyError(f"{image} cannot be read: {error}") from error
    return checks + answer(said, reading)


def _names(data: bytes) -> Iterator[str]:
    """The SHA-256 of a file, and the SOP Instance UID that it has if it is DICOM."""
    yield sha256(data).hexdigest()
    if not is_dicom(data):
        return
    # Here, since pydicom takes 24 MB and a tenth of a second of a start that may never need it.
    from pydicom import dcmread

    try:
        tags = ["SOPInstanceUID"]
        header = dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=tags, force=True)
        uid = str(header.get("SOPInstanceUID") or "")
    # Whatever malformed bytes bring about: the image has no UID then.
    except Exception:
        return
    if uid:
        yield uid
