"""Where results go: a PACS, over DIMSE or DICOMweb."""

from collections.abc import Sequence
from typing import Protocol


class UnreachableError(Exception):
    """The PACS did not answer, or is too busy for now; sending again may succeed."""


class RefusedError(Exception):
    """The PACS answered that it will never store this; the message quotes nothing of the object."""


class Destination(Protocol):
    """A PACS that stores DICOM files."""

    def store(self, files: Sequence[bytes]) -> None:
        """Store files (PS3.10); returns once the PACS has said that it stored every one.

        Objects that it holds already are no error: they have the same UIDs and the same bytes.

        Raises:
            UnreachableError: try again later.
            RefusedError: trying again is of no use.
        """


# PS3.7, annex C, and PS3.4, B.2.3; STOW-RS has the same codes as failure reasons.
DUPLICATE = 0x0111
_INVALID_INSTANCE, _CLASS_NOT_SUPPORTED = 0x0117, 0x0122
_NOT_OF_ITS_CLASS, _NOT_UNDERSTOOD = 0xA9, 0xC


def failure(status: int, said: str) -> RefusedError | UnreachableError:
    """The error of a status other than success: whether the object may be stored later."""
    final = (
        status in (_INVALID_INSTANCE, _CLASS_NOT_SUPPORTED)
        or status >> 8 == _NOT_OF_ITS_CLASS
        or status >> 12 == _NOT_UNDERSTOOD
    )
    return RefusedError(said) if final else UnreachableError(said)
