"""Where results go: a PACS, over DIMSE or DICOMweb."""

from collections.abc import Sequence
from typing import Protocol


class Unreachable(Exception):
    """The PACS did not answer, or is too busy for now; sending again may succeed."""


class Refused(Exception):
    """The PACS answered that it will never store this; the message quotes nothing of the object."""


class Destination(Protocol):
    """A PACS that stores DICOM files."""

    def store(self, files: Sequence[bytes]) -> None:
        """Store files (PS3.10); returns once the PACS has said that it stored every one.

        Objects that it holds already are no error: they have the same UIDs and the same bytes.

        Raises:
            Unreachable: try again later.
            Refused: trying again is of no use.
        """
