"""Whose claims on workitems are whose, also after a kill."""

import fcntl
import os
import secrets
from pathlib import Path

from pydicom.uid import UID

from app.dicom_results import uids
from app.errors import ReadError

_BYTES = 32


class Claims:
    """A performer's secret, in a file that one process at a time holds.

    A manager lets whoever knows the Transaction UID of a claim finish the workitem, and tells it to
    nobody (PS3.4, CC.1.1). It follows from the secret and the workitem, so the next start on the
    same file knows those of all claims, nobody else does, and nothing else has to be written down.
    """

    def __init__(self, path: Path) -> None:
        """Take the file, made where there is none.

        Raises:
            ReadError: another process holds it, or it cannot be written.
        """
        try:
            # It is held until the process ends.
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._secret = os.pread(file, _BYTES, 0)
            # One that a kill cut short was never used.
            if len(self._secret) < _BYTES:
                self._secret = secrets.token_bytes(_BYTES)
                os.pwrite(file, self._secret, 0)
                os.fsync(file)
        except BlockingIOError as error:
            raise ReadError("--claims: another process holds the file.") from error
        except OSError as error:
            raise ReadError(f"--claims: {error.strerror}.") from error

    def transaction(self, workitem: str) -> UID:
        """The Transaction UID of a claim.

        Args:
            workitem: the SOP Instance UID of what is claimed.
        """
        return uids.derive("claim", self._secret.hex(), workitem)
