"""Both results of a reading, for the study of its image."""

from functools import partial

from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.source import Source
from app.dicom_results.structured_report import structured_report
from app.reading.reader import Reader
from app.reading.reading import Reading


async def written(reader: Reader, reading: Reading, source: Source) -> tuple[bytes, bytes]:
    """The overlay of what was found, a Secondary Capture, and the Structured Report, as files.

    Args:
        reader: that read the image, and draws.
        reading: of the image.
        source: its header, as `read_source` gives it.
    """
    encode = partial(secondary_capture, source, reading, target=reading.target)
    overlay, _, _ = await reader.render(reading, reading.target, encode)
    work = partial(structured_report, source, reading)
    return overlay, await reader.timed("render", reading.seconds, work)
