"""The results of a reading, for the study of its image."""

from collections.abc import Collection
from functools import partial

from app.dicom_results.kinds import EVIDENCE, LUNGS, OVERLAY, REPORT
from app.dicom_results.secondary_capture import secondary_capture
from app.dicom_results.segmentation import evidence_segmentation, lungs_segmentation
from app.dicom_results.source import Source
from app.dicom_results.structured_report import structured_report
from app.reading.reader import Reader
from app.reading.reading import Reading

_WRITE = {
    EVIDENCE: evidence_segmentation,
    LUNGS: lungs_segmentation,
    REPORT: structured_report,
}


async def written(
    reader: Reader, reading: Reading, source: Source, kinds: Collection[str]
) -> dict[str, bytes]:
    """The results that are wanted, as files, by their kinds; the report is the last.

    Where no lungs were found, there is no Segmentation of them.

    Args:
        reader: that read the image, and draws.
        reading: of the image.
        source: its header, as `read_source` gives it.
        kinds: of `kinds.KINDS`; others are passed over.
    """
    files = {}
    if OVERLAY in kinds:
        encode = partial(secondary_capture, source, reading, target=reading.target)
        files[OVERLAY], _, _ = await reader.render(reading, reading.target, encode)
    for kind, write in _WRITE.items():
        if kind in kinds and (kind != LUNGS or reading.lungs.found):
            work = partial(write, source, reading)
            files[kind] = await reader.timed("render", reading.seconds, work)
    return files
