"""Where results go: a PACS, over DIMSE or DICOMweb, a FHIR server, or a RIS."""

from collections.abc import Sequence
from io import BytesIO
from typing import Protocol

from pydicom import Dataset, dcmread

from app.errors import DeferredError, RefusedError


class Destination(Protocol):
    """A PACS that stores DICOM files, a FHIR server transactions, or a RIS HL7 messages."""

    def store(self, files: Sequence[bytes]) -> bool:
        """Store files (PS3.10), Bundles (JSON) or messages; returns once each is said to be stored.

        Objects that it holds already are no error.

        Returns:
            Whether it said of one that it holds such an object already. Not every PACS does.

        Raises:
            DeferredError: try these again later; others may be stored now.
            UnreachableError: try again later.
            RefusedError: trying again is of no use.
        """
        ...


# PS3.7, annex C, and PS3.4, B.2.3; STOW-RS has the same codes as failure reasons. The second one is
# a warning of Google's Cloud Healthcare API among its failures.
DUPLICATE = (0x0111, 0xB00E)
_INVALID_INSTANCE, _CLASS_NOT_SUPPORTED = 0x0117, 0x0122
_NOT_OF_ITS_CLASS, _NOT_UNDERSTOOD = 0xA9, 0xC


def parsed(file: bytes) -> Dataset:
    """The data set of a file that is to be stored.

    Raises:
        RefusedError: it cannot be read, and so never sent.
    """
    try:
        return dcmread(BytesIO(file))
    except (MemoryError, ImportError):
        raise
    # pydicom answers malformed bytes with errors of many types.
    except Exception as error:
        raise RefusedError("The file is no DICOM file that can be read.") from error


def failure(status: int, said: str) -> RefusedError | DeferredError:
    """The error of a status other than success: whether the object may be stored later."""
    final = (
        status in (_INVALID_INSTANCE, _CLASS_NOT_SUPPORTED)
        or status >> 8 == _NOT_OF_ITS_CLASS
        or status >> 12 == _NOT_UNDERSTOOD
    )
    return RefusedError(said) if final else DeferredError(said)
