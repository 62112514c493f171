"""One file's bytes to its row, by the reader that also serves."""

from dataclasses import replace
from io import BytesIO

from app.archive.row import Row
from app.codes import OWN_RESULT
from app.errors import ImageError
from app.host import process
from app.imaging.errors import SHORTAGES
from app.imaging.formats import is_dicom
from app.reading.reader import Reader
from app.reading.reading import Reading

UNREADABLE_FILE, UNREADABLE_FOLDER = "unreadable_file", "unreadable_folder"
SHORT_OF_RESOURCES = "short_of_resources"
INTERNAL_ERROR = "internal_error"
TOO_LARGE = "too_large"
# The machine's problems: the same file may be read another time.
PASSING = (UNREADABLE_FILE, UNREADABLE_FOLDER, SHORT_OF_RESOURCES, INTERNAL_ERROR)

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def unreadable(row: Row, error: OSError) -> Row:
    """The row of a file that cannot be opened."""
    return row.failed(UNREADABLE_FILE, f"{error.strerror or type(error).__name__}.")


def too_large(row: Row, max_bytes: int) -> Row:
    """The row of a file of more than `max_bytes`."""
    return row.failed(TOO_LARGE, f"The file is larger than {max_bytes:,} bytes.")


async def read(reader: Reader, row: Row, data: bytes) -> tuple[Row, Reading | None]:
    """Read a file's bytes.

    Args:
        reader: running.
        row: of the file, without an answer.
        data: the file's bytes.

    Returns:
        The row with the answer, and the reading; or the row with a problem, and None.
    """
    try:
        if is_dicom(data):
            row, is_own = _identified(row, data, reader)
            if is_own:
                return row.failed(OWN_RESULT, "This is a result of this program."), None
        reading = await reader.read(data)
        return row.answered(reading), reading
    except ImageError as error:
        return row.failed(error.code, str(error)), None
    except SHORTAGES as error:
        return row.failed(SHORT_OF_RESOURCES, f"{type(error).__name__} while it was read."), None
    # One bad file must not end the others, in whichever way it is bad.
    except Exception as error:
        return row.failed(INTERNAL_ERROR, f"{type(error).__name__} while it was read."), None


def _identified(row: Row, data: bytes, reader: Reader) -> tuple[Row, bool]:
    """The row with the UIDs that a DICOM file has, and whether it is one of our own results."""
    # Here, since pydicom takes 24 MB and a tenth of a second of a start that may never need it.
    from pydicom import dcmread

    from app.dicom_results.instance import is_own, is_own_series

    process.accept_invalid_values()
    try:
        header = dcmread(
            BytesIO(data),
            stop_before_pixels=True,
            specific_tags=[*_UIDS, "Manufacturer"],
            force=True,
        )
        study, series, image = (str(header.get(tag) or "") for tag in _UIDS)
        own = is_own(header) or is_own_series(study, series, reader.model.manifest)
    except SHORTAGES:
        raise
    # Libraries answer malformed bytes with errors of many types; the reader says what is wrong.
    except Exception:
        return row, False
    row = replace(
        row,
        study_instance_uid=study or None,
        series_instance_uid=series or None,
        sop_instance_uid=image or None,
    )
    return row, own
